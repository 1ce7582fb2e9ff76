"""The post-norm Transformer encoder over packed rows that all methods share.

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


class TransformerEncoder(SequenceEncoder):
    """Learned positions, layer norm, dropout and post-norm attention blocks, with no final norm and no scaling.

    The last block computes only the wanted outputs: where a method needs only a row's last position, the other
    positions serve as keys and values. This is exact, and saves most of that block.

    Args:
        settings: Sizes and probabilities.
        generator: Source of the dropout masks on the CPU.

    Raises:
        ValueError: If ``hidden_size`` is not a multiple of ``n_heads``.

    Note:
        With the same weights, equal to RecBole 1.2.1's SASRec encoder up to rounding; a boolean mask replaces an
        additive mask of -10000.
    """

    abilities: ClassVar = Abilities(counts_positions=True, needs_heads=True, can_be_compiled=True, is_causal=True)

    def __init__(self, settings: EncoderSettings, generator: torch.Generator | None = None) -> None:
        super().__init__(settings, generator)
        self.scale = settings.item_scale
        self.position_embedding = nn.Embedding(settings.max_seq_length, settings.hidden_size)
        self.layer_norm = nn.LayerNorm(settings.hidden_size, eps=settings.layer_norm_eps)
        self.dropout = Dropout(settings.hidden_dropout_prob, generator)
        self.layers = nn.ModuleList(self._layer(settings, generator) for _ in range(settings.n_layers))

    def _layer(self, settings: EncoderSettings, generator: torch.Generator | None) -> TransformerLayer:
        return TransformerLayer(settings, generator)

    def forward(self, tokens: Tensor, packing: Packing) -> Tensor:
        hidden = torch.add(self.position_embedding(packing.position), tokens, alpha=self.scale)
        hidden = self.dropout(self.layer_norm(hidden))
        last = len(self.layers) - 1
        for i, layer in enumerate(self.layers):
            hidden = layer(hidden, packing, only_wanted=i == last and packing.wanted is not None)
        return hidden


class TransformerLayer(nn.Module):
    """Multi-head self-attention and a GELU feed-forward part, each with dropout, residual and layer norm."""

    def __init__(self, settings: EncoderSettings, generator: torch.Generator | None) -> None:
        super().__init__()
        size, eps = settings.hidden_size, settings.layer_norm_eps
        self.attention = Attention(settings, generator)
        self.query_key_value = nn.Linear(size, 3 * size)
        self.attention_output = nn.Linear(size, size)
        self.attention_norm = nn.LayerNorm(size, eps=eps)
        self.inner = nn.Linear(size, settings.inner_size)
        self.outer = nn.Linear(settings.inner_size, size)
        self.output_norm = nn.LayerNorm(size, eps=eps)
        self.dropout = Dropout(settings.hidden_dropout_prob, generator)
        self.output_dropout = Dropout(settings.hidden_dropout_prob, generator)

    def forward(self, hidden: Tensor, packing: Packing, only_wanted: bool) -> Tensor:
        """Runs the block on [T, D]; returns [W, D] if ``only_wanted`` and [T, D] otherwise."""
        return self.feed_forward(self.attend(hidden, packing, only_wanted))

    def attend(self, hidden: Tensor, packing: Packing, only_wanted: bool) -> Tensor:
        """The attention part, with residual and norm."""
        states = hidden
        if only_wanted and packing.wanted is not None:
            hidden = hidden.index_select(0, packing.wanted)  # [W, D]
        query, key_value = project(self.query_key_value, hidden, states)
        context = self.attention(query, key_value, packing, only_wanted)
        attended: Tensor = self.attention_norm(hidden + self.dropout(self.attention_output(context)))
        return attended

    def feed_forward(self, hidden: Tensor) -> Tensor:
        """The feed-forward part, with residual and norm: [..., D] to [..., D]."""
        inner = functional.gelu(self.inner(hidden))
        output: Tensor = self.output_norm(hidden + self.output_dropout(self.outer(inner)))
        return output
