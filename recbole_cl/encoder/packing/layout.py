"""The layout of rows in one packed sequence of items.

Letters: R rows of all segments together, L columns, T packed items of all rows together, W wanted outputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import get_args

import torch
from torch import Tensor

from recbole_cl.batch import Rows, Wanted

_WANTED = get_args(Wanted)
LAST, ITEMS, COLUMNS = KINDS = range(len(_WANTED))  # which outputs of a row are wanted; packed in this order


@dataclass(frozen=True)
class Group:
    """Consecutive rows of the packed order that attend together, as one [n_rows, width] rectangle.

    Attributes:
        first: Index of the group's first packed item.
        n_tokens: Number of packed items in the group.
        n_rows: Number of rows.
        width: Length of its longest row.
        slots: Index of each packed item in the flattened rectangle, [n_tokens]; None if they fill it.
        padded: Whether some row is, or may be, shorter than ``width``.
        seq_len: Lengths of the rows, [n_rows].
        every_position: Whether all outputs are wanted, or only those of the last positions.
        barred: Where the rectangle holds id 0, [n_rows, width]; no query attends to these positions. A query that would
            have no position left attends to its whole row instead, as with the additive mask of -10000 in left-padded
            code. None if ids 0 occur only after the rows' ends.
        bidirectional: Whether queries attend to later items even if the encoder is causal.
        shared: Values that all layers share, such as masks: filled on first use, empty in a copy.
    """

    first: int
    n_tokens: int
    n_rows: int
    width: int
    slots: Tensor | None
    padded: bool
    seq_len: Tensor
    every_position: bool
    barred: Tensor | None = None
    bidirectional: bool = False
    shared: dict[object, Tensor] = field(init=False, default_factory=dict, repr=False, compare=False)

    @property
    def lengths(self) -> Tensor:
        """Number of packed items of each row, [n_rows]."""
        return torch.full_like(self.seq_len, self.width) if self.slots is None else self.seq_len

    @property
    def real(self) -> Tensor:
        """Which packed items are not padding, [n_tokens], bool."""
        if self.barred is None:
            return torch.ones(self.n_tokens, dtype=torch.bool, device=self.seq_len.device)
        flat = ~self.barred.flatten()
        return flat if self.slots is None else flat.index_select(0, self.slots)


@dataclass(frozen=True)
class Packing:
    """The layout of the rows of several segments in one packed sequence of items.

    Attributes:
        token_index: Index of each packed item in the concatenation of the flattened ``item_seq`` of all segments, [T].
        position: Position of each packed item for the position embedding, [T].
        wanted: The packed items whose output is wanted, [W]; None for all of them.
        groups: The attention rectangles, in packed order.
        outputs: For each segment, the indices of its outputs among the W, in the caller's order.
    """

    token_index: Tensor
    position: Tensor
    wanted: Tensor | None
    groups: tuple[Group, ...]
    outputs: tuple[Tensor, ...]


def both_ways(packing: Packing) -> Packing:
    """The same packing, in which every position attends to later ones, too, even if the encoder is causal."""
    return replace(packing, groups=tuple(replace(group, bidirectional=True) for group in packing.groups))


def kind_of(rows: Rows) -> int:
    """Which outputs of the rows are wanted, as a number."""
    return _WANTED.index(rows.wanted)


def extent_of(rows: Rows) -> Tensor:
    """Number of packed items of each row, [B]: its own items, or all columns if outputs of padding are wanted, too."""
    return torch.full_like(rows.seq_len, rows.item_seq.shape[1]) if rows.wanted == "columns" else rows.seq_len


def starts_of_rows(segments: Sequence[Rows]) -> Tensor:
    """Start of every row in the concatenation of the flattened segments, [R]."""
    starts, done = [], 0
    for rows in segments:
        n_rows, width = rows.item_seq.shape
        starts.append(done + width * torch.arange(n_rows, device=rows.item_seq.device))
        done += n_rows * width
    return torch.cat(starts)


def with_bars(
    groups: Sequence[Group], segments: Sequence[Rows], token_index: Tensor, padding_first: bool = False
) -> list[Group]:
    """Marks where groups hold id 0, if any segment may have it among its items."""
    if not padding_first and not any(rows.wanted == "columns" or rows.holes for rows in segments):
        return list(groups)
    empty = torch.cat([rows.item_seq.flatten() for rows in segments]).index_select(0, token_index) == 0  # [T]
    return [replace(group, barred=_barred(group, empty)) for group in groups]


def _barred(group: Group, empty: Tensor) -> Tensor:
    own = empty[group.first : group.first + group.n_tokens]
    if group.slots is not None:
        own = own.new_ones(group.n_rows * group.width).index_copy(0, group.slots, own)
    return own.view(group.n_rows, group.width)
