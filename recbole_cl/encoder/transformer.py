"""The post-norm Transformer encoder that all methods share, over packed rows.

Letters: T packed items, W wanted outputs, D hidden size, H heads, n rows of a group, l its width.
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from recbole_cl.encoder.dropout import Dropout
from recbole_cl.encoder.packing import Group, Packing
from recbole_cl.encoder.registry import Abilities, EncoderSettings, SequenceEncoder


class TransformerEncoder(SequenceEncoder):
    """Learned positions, layer norm, dropout and post-norm attention blocks, with no final norm and no scaling.

    In the last block only the wanted outputs are computed: where a method needs the last position of a row, the
    other positions serve as keys and values only. That is exact, and saves most of that block.

    Args:
        settings: Sizes and probabilities.
        generator: Source of the dropout masks on the CPU.
        causal: Whether a position sees only itself and earlier ones.

    Raises:
        ValueError: If ``hidden_size`` is not a multiple of ``n_heads``.

    Note:
        Equal to RecBole 1.2.1's SASRec encoder to rounding, with the same weights; an additive mask of -10000 is
        replaced by a boolean one.
    """

    abilities: ClassVar = Abilities(counts_positions=True, needs_heads=True, can_be_compiled=True, is_causal=True)

    def __init__(
        self, settings: EncoderSettings, generator: torch.Generator | None = None, causal: bool = True
    ) -> None:
        super().__init__(settings, generator)
        if settings.hidden_size % settings.n_heads:
            raise ValueError(f"hidden_size {settings.hidden_size} is not a multiple of n_heads {settings.n_heads}")
        self.position_embedding = nn.Embedding(settings.max_seq_length, settings.hidden_size)
        self.layer_norm = nn.LayerNorm(settings.hidden_size, eps=settings.layer_norm_eps)
        self.dropout = Dropout(settings.hidden_dropout_prob, generator)
        self.layers = nn.ModuleList(TransformerLayer(settings, causal, generator) for _ in range(settings.n_layers))

    def forward(self, tokens: Tensor, packing: Packing) -> Tensor:
        """Encodes packed item vectors.

        Args:
            tokens: Item vectors in packed order. Shape [T, D].
            packing: How the rows lie in them.

        Returns:
            Outputs at the wanted positions, in packed order. Shape [W, D].
        """
        hidden = self.dropout(self.layer_norm(tokens + self.position_embedding(packing.position)))
        last = len(self.layers) - 1
        for i, layer in enumerate(self.layers):
            hidden = layer(hidden, packing, only_wanted=i == last and packing.wanted is not None)
        return hidden


class TransformerLayer(nn.Module):
    """Multi-head self-attention and a GELU feed-forward part, each with dropout, residual and layer norm."""

    def __init__(self, settings: EncoderSettings, causal: bool, generator: torch.Generator | None) -> None:
        super().__init__()
        size, eps = settings.hidden_size, settings.layer_norm_eps
        self.n_heads = settings.n_heads
        self.causal = causal
        self.query_key_value = nn.Linear(size, 3 * size)
        self.attention_output = nn.Linear(size, size)
        self.attention_norm = nn.LayerNorm(size, eps=eps)
        self.inner = nn.Linear(size, settings.inner_size)
        self.outer = nn.Linear(settings.inner_size, size)
        self.output_norm = nn.LayerNorm(size, eps=eps)
        self.attention_dropout = Dropout(settings.attn_dropout_prob, generator)
        self.dropout = Dropout(settings.hidden_dropout_prob, generator)
        self.output_dropout = Dropout(settings.hidden_dropout_prob, generator)

    def forward(self, hidden: Tensor, packing: Packing, only_wanted: bool) -> Tensor:
        """Runs the block on [T, D]; returns [W, D] if ``only_wanted`` and [T, D] otherwise."""
        size = hidden.shape[-1]
        weight, bias = self.query_key_value.weight, self.query_key_value.bias
        if only_wanted and packing.wanted is not None:
            key_value = functional.linear(hidden, weight[size:], bias[size:])  # [T, 2D]
            hidden = hidden.index_select(0, packing.wanted)  # [W, D]
            query = functional.linear(hidden, weight[:size], bias[:size])
        else:
            query, key_value = functional.linear(hidden, weight, bias).split((size, 2 * size), dim=-1)
        context = self._attend(query, key_value, packing, only_wanted)
        hidden = self.attention_norm(hidden + self.dropout(self.attention_output(context)))
        inner = functional.gelu(self.inner(hidden))
        return self.output_norm(hidden + self.output_dropout(self.outer(inner)))

    def _attend(self, query: Tensor, key_value: Tensor, packing: Packing, only_wanted: bool) -> Tensor:
        """Attention inside every group: [W or T, D] from queries of that shape and [T, 2D] keys and values."""
        groups = packing.groups
        one_query = [only_wanted and not group.every_position for group in groups]
        n_queries = [group.n_rows if one else group.n_tokens for group, one in zip(groups, one_query, strict=True)]
        # split, not slices: the gradient of a slice is a whole tensor of zeros for every group
        queries = query.split(n_queries)
        keys_values = key_value.split([group.n_tokens for group in groups])
        return torch.cat(
            [self._attend_group(*part) for part in zip(queries, keys_values, groups, one_query, strict=True)]
        )

    def _attend_group(self, query: Tensor, key_value: Tensor, group: Group, one_query: bool) -> Tensor:
        k, v = self._heads(key_value, group, 2).unbind(2)  # [n, l, H, d]
        k, v = k.transpose(1, 2), v.transpose(1, 2)  # [n, H, l, d]
        if one_query:
            q = query.view(group.n_rows, 1, self.n_heads, -1).transpose(1, 2)  # [n, H, 1, d]
        else:
            q = self._heads(query, group, 1).squeeze(2).transpose(1, 2)
        mask = _mask(group, self.causal and not one_query and not group.bidirectional)
        scores = _scores(q / math.sqrt(q.shape[-1]), k, mask)  # [n, H, 1 or l, l]
        context = self.attention_dropout(scores.softmax(-1)) @ v
        context = context.transpose(1, 2).reshape(-1, query.shape[-1])
        return context if one_query or group.slots is None else context.index_select(0, group.slots)

    def _heads(self, packed: Tensor, group: Group, parts: int) -> Tensor:
        """Packed [n_tokens, parts * D] as the group's rectangle [n, l, parts, H, d], padded with zeros."""
        if group.slots is not None:
            padded = packed.new_zeros(group.n_rows * group.width, packed.shape[-1])
            packed = padded.index_copy(0, group.slots, packed)
        return packed.reshape(group.n_rows, group.width, parts, self.n_heads, -1)


def _mask(group: Group, causal: bool) -> Tensor | None:
    """True where a query may not look: [l, l] for all rows, [n, 1 or l, l] where rows differ, None for nowhere."""
    later = None
    if causal:
        later = torch.ones(group.width, group.width, dtype=torch.bool, device=group.seq_len.device).triu_(1)
    if group.barred is None:
        # right padding lies after every real query, so a causal mask needs no more
        return later if causal else _beyond(group) if group.padded else None
    mask = group.barred[:, None] if later is None else group.barred[:, None] | later
    return torch.where(mask.all(-1, keepdim=True), _beyond(group), mask)


def _beyond(group: Group) -> Tensor:
    """True at keys beyond the end of their row, [n, 1, l]."""
    columns = torch.arange(group.width, device=group.seq_len.device)
    return (columns >= group.seq_len[:, None])[:, None]


def _scores(q: Tensor, k: Tensor, mask: Tensor | None) -> Tensor:
    """Query-key products with -inf where ``mask`` is True, added inside the product and not in a pass of its own.

    Args:
        q: Scaled queries, [n, H, m, d].
        k: Keys, [n, H, l, d].
        mask: [m, l] for all rows, [n, 1, l] for all queries of a row, [n, m, l], or None.

    Returns:
        Scores, [n, H, m, l].
    """
    if mask is None:
        return q @ k.transpose(-1, -2)
    n, heads, m, size = q.shape
    bias = torch.zeros(mask.shape, dtype=q.dtype, device=q.device).masked_fill_(mask, -math.inf)
    if bias.dim() == 3:
        bias = bias.repeat_interleave(heads, dim=0)
    flat = torch.baddbmm(bias, q.reshape(n * heads, m, size), k.reshape(n * heads, -1, size).transpose(1, 2))
    return flat.view(n, heads, m, -1)
