"""The layout of the strongest published SASRec: layer norm on queries, before the feed-forward part, and at the end.

Letters: T packed items, W wanted outputs, D hidden size.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from recbole_cl.encoder.attention import Attention, Padding, project
from recbole_cl.encoder.dropout import Dropout
from recbole_cl.encoder.packing import Packing
from recbole_cl.encoder.registry import Abilities, EncoderSettings, SequenceEncoder


class QueryNormEncoder(SequenceEncoder):
    """Learned positions, dropout, blocks whose attention normalises only its queries, and a final layer norm.

    Id 0 among a row's items is a zero vector in every block, like all padding.

    Reference:
        Kang and McAuley, "Self-Attentive Sequential Recommendation", ICDM 2018, in the layout that RecBoard and
        "Understanding the Role of Cross-Entropy Loss in Fairly Evaluating Large Language Model-based Recommendation"
        (2024, MTandHJ/CE-SCE-LLMRec) train with cross-entropy: items times the root of D (``scale_items``), one
        head, an inner width of D, Xavier weights (``initializer``), and positions that count from the newest item
        (``right_aligned``).

    Args:
        settings: Sizes and probabilities. With ``attend_padding``, attention includes the positions up to
            ``max_seq_length`` that a row leaves empty, as in that code; their keys are the layer's biases.
        generator: Source of the dropout masks on the CPU.

    Raises:
        ValueError: If ``hidden_size`` is not a multiple of ``n_heads``.

    Note:
        The padding of a row is one key, counted once for each empty position. Dropout draws how many of these are
        kept, so that its distribution is that of separate keys.
    """

    abilities: ClassVar = Abilities(counts_positions=True, needs_heads=True, can_be_compiled=True, is_causal=True)

    def __init__(self, settings: EncoderSettings, generator: torch.Generator | None = None) -> None:
        super().__init__(settings, generator)
        self.scale = settings.item_scale
        self.position_embedding = nn.Embedding(settings.max_seq_length, settings.hidden_size)
        self.dropout = Dropout(settings.hidden_dropout_prob, generator)
        self.layers = nn.ModuleList(QueryNormLayer(settings, generator) for _ in range(settings.n_layers))
        self.final_norm = nn.LayerNorm(settings.hidden_size, eps=settings.layer_norm_eps)

    def forward(self, tokens: Tensor, packing: Packing) -> Tensor:
        real = _real(packing)
        hidden = self.dropout(torch.add(self.position_embedding(packing.position), tokens, alpha=self.scale))
        hidden = hidden if real is None else hidden * real
        last = len(self.layers) - 1
        for i, layer in enumerate(self.layers):
            only_wanted = i == last and packing.wanted is not None
            hidden = layer(hidden, packing, only_wanted)
            if real is not None:
                hidden = hidden * (real[packing.wanted] if only_wanted else real)
        output: Tensor = self.final_norm(hidden)
        return output


class QueryNormLayer(nn.Module):
    """Attention with normalised queries only, and a ReLU feed-forward part added to its own normalised input."""

    def __init__(self, settings: EncoderSettings, generator: torch.Generator | None) -> None:
        super().__init__()
        size, eps = settings.hidden_size, settings.layer_norm_eps
        self.attention = Attention(settings, generator)
        self.padded_to = settings.max_seq_length if settings.attend_padding else None
        self.query_norm = nn.LayerNorm(size, eps=eps)
        self.query_key_value = nn.Linear(size, 3 * size)
        self.attention_output = nn.Linear(size, size)
        self.inner_norm = nn.LayerNorm(size, eps=eps)
        self.inner = nn.Linear(size, settings.inner_size)
        self.outer = nn.Linear(settings.inner_size, size)
        self.inner_dropout = Dropout(settings.hidden_dropout_prob, generator)
        self.output_dropout = Dropout(settings.hidden_dropout_prob, generator)

    def forward(self, hidden: Tensor, packing: Packing, only_wanted: bool) -> Tensor:
        """Runs the block on [T, D]; returns [W, D] if ``only_wanted`` and [T, D] otherwise."""
        states, size, padding = hidden, hidden.shape[-1], None
        if only_wanted and packing.wanted is not None:
            hidden = hidden.index_select(0, packing.wanted)
        query, key_value = project(self.query_key_value, self.query_norm(hidden), states)
        if self.padded_to is not None:
            padding = Padding(self.query_key_value.bias[size:], self.padded_to)
        context = self.attention(query, key_value, packing, only_wanted, padding)
        hidden = self.inner_norm(hidden + self.attention_output(context))
        inner = functional.relu(self.inner_dropout(self.inner(hidden)))
        return hidden + self.output_dropout(self.outer(inner))


def _real(packing: Packing) -> Tensor | None:
    """0 where a packed item is padding, 1 elsewhere, [T, 1]; None if there is no padding."""
    if all(group.barred is None for group in packing.groups):
        return None
    return torch.cat([group.real for group in packing.groups]).unsqueeze(1)
