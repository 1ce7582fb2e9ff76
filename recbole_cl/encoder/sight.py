"""Which keys the queries of a group may attend to.

Letters: n rows of a group, l its width, m queries of a row.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from recbole_cl.encoder.packing import Group

_ALL = slice(None)


class Sight(NamedTuple):
    """Which keys the queries of a group may attend to, and the bias on their scores that enforces it.

    Attributes:
        group: The rows.
        one_way: Whether a query attends to no later position, unless the group is bidirectional.
        padded_to: If padding that is not packed is attended to as well: the number of positions of a row, padding
            included. The last key then stands for all positions that a row leaves empty. None for no such key.
    """

    group: Group
    one_way: bool
    padded_to: int | None = None

    @property
    def is_causal(self) -> bool:
        """Whether no query attends to a later key."""
        return self.one_way and not self.group.bidirectional

    @property
    def is_triangle(self) -> bool:
        """Whether each query attends to itself and all earlier keys; row ends then matter only for padding."""
        return self.is_causal and self.group.barred is None and self.padded_to is None

    @property
    def padding(self) -> Tensor | None:
        """How many positions the last key stands for, [n, 1, 1]; None if it is a key like the others."""
        return None if self.padded_to is None else (self.padded_to - self.group.seq_len)[:, None, None]

    def bias(self, dtype: torch.dtype) -> Tensor | None:
        """The bias that is added to the scores; computed once for all layers.

        Args:
            dtype: Type of the scores.

        Returns:
            [l, l] for all rows, [n, 1, l] for all queries of a row, or [n, m, l], with one more column for padding;
                None if nothing is masked.
        """
        if not (self.is_causal or self.group.padded or self.group.barred is not None or self.padded_to is not None):
            return None
        key = "bias", self.is_causal, self.padded_to, dtype
        shared = self.group.shared
        if key not in shared:
            shared[key] = self._made(dtype)
        return shared[key]

    def block(self, dtype: torch.dtype, rows: slice, queries: slice) -> Tensor | None:
        """The bias for some rows and some queries, computed for this call; without ``padded_to``."""
        mask = _mask(self.group, self.is_causal, rows, queries)
        return None if mask is None else _minus_infinity(mask, dtype)

    def _made(self, dtype: torch.dtype) -> Tensor:
        group, device = self.group, self.group.seq_len.device
        if self.padded_to is None:
            mask = _mask(group, self.is_causal)
            assert mask is not None  # something is masked
            return _minus_infinity(mask, dtype)
        mask = _later(group) if self.is_causal else _beyond(group) if group.padded else None
        bias = torch.zeros(1, group.width, dtype=dtype, device=device) if mask is None else _minus_infinity(mask, dtype)
        bias = bias.expand(group.n_rows, -1, -1)
        assert self.padding is not None
        counted = self.padding.to(torch.promote_types(dtype, torch.float32)).log().to(dtype)
        return torch.cat([bias, counted.expand(-1, bias.shape[1], -1)], dim=-1)


def _minus_infinity(mask: Tensor, dtype: torch.dtype) -> Tensor:
    return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill_(mask, -math.inf)


def _mask(group: Group, causal: bool, rows: slice = _ALL, queries: slice = _ALL) -> Tensor | None:
    """True where a query must not attend: [m, l] for all rows, [n, 1 or m, l] if rows differ, None if nowhere."""
    later = _later(group, queries) if causal else None
    if group.barred is None:
        # right padding comes after every real query, so a causal mask is enough
        return later if causal else _beyond(group, rows) if group.padded else None
    barred = group.barred[rows, None]
    mask = barred if later is None else barred | later
    return mask & (_beyond(group, rows) | ~mask.all(-1, keepdim=True))  # onnxruntime has no torch.where of booleans


def _later(group: Group, queries: slice = _ALL) -> Tensor:
    """True at later keys, [m, l]."""
    columns = torch.arange(group.width, device=group.seq_len.device)
    return columns > columns[queries, None]


def _beyond(group: Group, rows: slice = _ALL) -> Tensor:
    """True at keys beyond the end of their row, [n, 1, l]."""
    columns = torch.arange(group.width, device=group.seq_len.device)
    return (columns >= group.seq_len[rows, None])[:, None]
