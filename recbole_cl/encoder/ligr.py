"""The LiGR encoder of eSASRec: pre-norm blocks with two gated halves and a SwiGLU feed-forward part.

Letters: T packed items, W wanted outputs, D hidden size.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from recbole_cl.encoder.attention import Attention, project
from recbole_cl.encoder.dropout import Dropout
from recbole_cl.encoder.packing import Packing
from recbole_cl.encoder.registry import Abilities, EncoderSettings, SequenceEncoder


class LiGREncoder(SequenceEncoder):
    r"""Learned positions, dropout and gated blocks, without a norm before or after the blocks.

    .. math::
        X' = X + \sigma(G_1 X) \odot drop(MHA(LN(X))), \qquad
        X'' = X' + \sigma(G_2 X') \odot drop(FF(LN(X')))

    with :math:`FF(z) = W_2\, drop(silu(W_1 z) \odot W_3 z)`, which has no biases.

    Reference:
        Borisyuk et al., "From Features to Transformers: Redefining Ranking for Scalable Impact" (LiGR), 2025; as in
        "eSASRec: Enhancing Transformer-based Recommendations in a Modular Fashion", RecSys 2025
        (blondered/transformer_benchmark), whose positions count from the newest item (``right_aligned``) and whose
        weights are Xavier's (``initializer``).

    Args:
        settings: Sizes and probabilities; ``inner_size`` is the authors' D times their multiplier.
        generator: Source of the dropout masks on the CPU.

    Raises:
        ValueError: If ``hidden_size`` is not a multiple of ``n_heads``.
    """

    abilities: ClassVar = Abilities(counts_positions=True, needs_heads=True, can_be_compiled=True, is_causal=True)

    def __init__(self, settings: EncoderSettings, generator: torch.Generator | None = None) -> None:
        super().__init__(settings, generator)
        self.scale = settings.item_scale
        self.position_embedding = nn.Embedding(settings.max_seq_length, settings.hidden_size)
        self.dropout = Dropout(settings.hidden_dropout_prob, generator)
        self.layers = nn.ModuleList(LiGRLayer(settings, generator) for _ in range(settings.n_layers))

    def forward(self, tokens: Tensor, packing: Packing) -> Tensor:
        hidden = self.dropout(torch.add(self.position_embedding(packing.position), tokens, alpha=self.scale))
        last = len(self.layers) - 1
        for i, layer in enumerate(self.layers):
            hidden = layer(hidden, packing, only_wanted=i == last and packing.wanted is not None)
        return hidden


class LiGRLayer(nn.Module):
    """Pre-norm attention and a SwiGLU feed-forward part, each with a gate computed from its input."""

    def __init__(self, settings: EncoderSettings, generator: torch.Generator | None) -> None:
        super().__init__()
        size, inner, eps = settings.hidden_size, settings.inner_size, settings.layer_norm_eps
        self.attention = Attention(settings, generator)
        self.attention_norm = nn.LayerNorm(size, eps=eps)
        self.query_key_value = nn.Linear(size, 3 * size)
        self.attention_output = nn.Linear(size, size)
        self.attention_gate = nn.Linear(size, size)
        self.inner_norm = nn.LayerNorm(size, eps=eps)
        self.inner = nn.Linear(size, inner, bias=False)  # W_1
        self.inner_factor = nn.Linear(size, inner, bias=False)  # W_3
        self.outer = nn.Linear(inner, size, bias=False)  # W_2
        self.inner_gate = nn.Linear(size, size)
        rate = settings.hidden_dropout_prob
        self.attention_dropout, self.inner_dropout, self.output_dropout = (Dropout(rate, generator) for _ in range(3))

    def forward(self, hidden: Tensor, packing: Packing, only_wanted: bool) -> Tensor:
        """Runs the block on [T, D]; returns [W, D] if ``only_wanted`` and [T, D] otherwise."""
        states = queried = self.attention_norm(hidden)
        if only_wanted and packing.wanted is not None:
            hidden, queried = (it.index_select(0, packing.wanted) for it in (hidden, states))
        query, key_value = project(self.query_key_value, queried, states)
        context = self.attention(query, key_value, packing, only_wanted)
        gate = torch.sigmoid(self.attention_gate(hidden))
        hidden = hidden + gate * self.attention_dropout(self.attention_output(context))
        normed = self.inner_norm(hidden)
        inner = self.inner_dropout(functional.silu(self.inner(normed)) * self.inner_factor(normed))
        return hidden + torch.sigmoid(self.inner_gate(hidden)) * self.output_dropout(self.outer(inner))
