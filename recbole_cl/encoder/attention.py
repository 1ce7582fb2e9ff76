"""Multi-head attention inside each row of a packed sequence.

Letters: T packed items, W wanted outputs, D hidden size, H heads, n rows of a group, l its width, m queries of a row,
d width of a head.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from recbole_cl.encoder.dropout import Dropout
from recbole_cl.encoder.kernels import attend
from recbole_cl.encoder.packing import Group, Packing
from recbole_cl.encoder.registry import EncoderSettings
from recbole_cl.encoder.sight import Sight


class Padding(NamedTuple):
    """Padding that is attended to although it is not packed: one key for all positions that a row leaves empty.

    Attributes:
        key_value: The key and the value of all these positions, concatenated. Shape [2D].
        width: Number of positions of a row, padding included.
    """

    key_value: Tensor
    width: int


class Attention(nn.Module):
    """Scaled dot-product attention without weights; positions see no later ones, unless the group is bidirectional.

    Args:
        settings: Provides ``n_heads`` and ``attn_dropout_prob``.
        generator: Source of the dropout masks on the CPU.

    Raises:
        ValueError: If ``hidden_size`` is not a multiple of ``n_heads``.
    """

    def __init__(self, settings: EncoderSettings, generator: torch.Generator | None) -> None:
        super().__init__()
        if settings.hidden_size % settings.n_heads:
            raise ValueError(f"hidden_size {settings.hidden_size} is not a multiple of n_heads {settings.n_heads}")
        self.n_heads = settings.n_heads
        self.dropout = Dropout(settings.attn_dropout_prob, generator)

    def forward(
        self, query: Tensor, key_value: Tensor, packing: Packing, only_wanted: bool, padding: Padding | None = None
    ) -> Tensor:
        """Attends inside every row.

        Args:
            query: Queries of all packed items, or of the wanted ones.
            key_value: Keys and values of all packed items, concatenated in this order.
            packing: The layout of the rows.
            only_wanted: Whether the queries are those of the wanted items.
            padding: Padding to attend to as well; None for none.

        Shape:
            query and result: [T, D], or [W, D] with ``only_wanted``; key_value: [T, 2D].

        Returns:
            Weighted sums of values.
        """
        groups = packing.groups
        one_query = [only_wanted and not group.every_position for group in groups]
        n_queries = [group.n_rows if one else group.n_tokens for group, one in zip(groups, one_query, strict=True)]
        # split, not slices: the gradient of each slice would be a full-size tensor of zeros
        queries = query.split(n_queries)
        keys_values = key_value.split([group.n_tokens for group in groups])
        parts = zip(queries, keys_values, groups, one_query, strict=True)
        return torch.cat([self._attend_group(*part, padding) for part in parts])

    def _attend_group(
        self, query: Tensor, key_value: Tensor, group: Group, one_query: bool, padding: Padding | None
    ) -> Tensor:
        kv = self._heads(key_value, group, 2)  # [n, l, 2, H, d]
        if padding is not None:
            kv = torch.cat([kv, padding.key_value.view(1, 1, *kv.shape[2:]).expand(len(kv), -1, -1, -1, -1)], dim=1)
        k, v = (part.transpose(1, 2) for part in kv.unbind(2))  # [n, H, l, d]
        if one_query:
            q = query.view(group.n_rows, 1, self.n_heads, -1).transpose(1, 2)  # [n, H, 1, d]
        else:
            q = self._heads(query, group, 1).squeeze(2).transpose(1, 2)
        sight = Sight(group, not one_query, None if padding is None else padding.width)
        context = attend(q, k, v, sight, self.dropout)  # [n, H, m, d]
        context = context.transpose(1, 2).reshape(-1, query.shape[-1])
        return context if one_query or group.slots is None else context.index_select(0, group.slots)

    def _heads(self, packed: Tensor, group: Group, parts: int) -> Tensor:
        """Packed [n_tokens, parts * D] as the group's rectangle [n, l, parts, H, d], padded with zeros."""
        if group.slots is not None:
            padded = packed.new_zeros(group.n_rows * group.width, packed.shape[-1])
            packed = padded.index_copy(0, group.slots, packed)
        return packed.reshape(group.n_rows, group.width, parts, self.n_heads, -1)


def project(linear: nn.Linear, query: Tensor, key_value: Tensor) -> tuple[Tensor, Tensor]:
    """Queries, and keys with values, from one layer [D] -> [3D] that holds the three projections.

    Args:
        linear: The projections of queries, keys and values, stacked.
        query: Input of the queries. Shape [Q, D].
        key_value: Input of the keys and values. Shape [T, D]; if it is the same tensor, it is multiplied only once.

    Returns:
        Queries, [Q, D], and keys and values, [T, 2D].
    """
    size = query.shape[-1]
    if query is key_value:
        queries, keys_values = linear(query).split((size, 2 * size), dim=-1)
        return queries, keys_values
    weight, bias = linear.weight, linear.bias
    keys_values = functional.linear(key_value, weight[size:], bias[size:])
    return functional.linear(query, weight[:size], bias[:size]), keys_values
