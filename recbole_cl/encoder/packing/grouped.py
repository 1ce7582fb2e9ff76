"""Packing without padding: rows of similar length attend together.

Letters: R rows of all segments together, L columns, T packed items of all rows together, W wanted outputs.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from recbole_cl.batch import Rows
from recbole_cl.encoder.packing.layout import (
    COLUMNS,
    KINDS,
    LAST,
    Group,
    Packing,
    extent_of,
    kind_of,
    starts_of_rows,
    with_bars,
)
from recbole_cl.ragged import row_numbers, spans

_MERGE_BELOW_ROWS = 64  # if fewer rows have the same length, padding them to a longer group is cheaper
_MAX_PADDED_SHARE = 1.5  # maximum ratio of padded to real items in a merged group


def pack_grouped(segments: Sequence[Rows], last_position: int | None) -> Packing:
    """Packs rows sorted by length: no row is padded, unless few rows join a longer group.

    Args:
        segments: Rows of one or more encodings.
        last_position: Position of each row's newest item, at least L - 1; None gives the oldest item position 0.

    Returns:
        The packed place of every item, and of its output.
    """
    device = segments[0].seq_len.device
    extent = torch.cat([extent_of(rows) for rows in segments])
    kind = torch.cat([torch.full_like(rows.seq_len, kind_of(rows)) for rows in segments])
    stride = max(rows.item_seq.shape[1] for rows in segments) + 1
    order = torch.argsort(kind * stride + extent, stable=True)  # [R] by kind, then by length
    length = extent[order]
    end = length.cumsum(0)
    start = end - length  # [R] first packed item of each row
    row = row_numbers(length)  # [T]
    place = torch.arange(len(row), device=device) - start[row]  # [T] index of an item in its row
    counts = [sum(len(rows.seq_len) for rows in segments if kind_of(rows) == kind) for kind in KINDS]
    n_last = counts[LAST]
    first_every = int(end[n_last - 1]) if n_last else 0
    wanted = torch.cat([end[:n_last] - 1, torch.arange(first_every, len(row), device=device)]) if n_last else None
    column = _turned(segments, order, row, place) if counts[COLUMNS] else place
    token_index = starts_of_rows(segments)[order][row] + column
    groups = with_bars(_groups(length, counts, place), segments, token_index)
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order), device=device)
    outputs, done = [], 0
    for rows in segments:
        mine = rank[done : done + len(rows.seq_len)]  # index of each row after sorting, in the caller's order
        done += len(rows.seq_len)
        outputs.append(mine if rows.wanted == "last" else spans(start[mine] - first_every + n_last, extent_of(rows)))
    position = place if last_position is None else place + (last_position + 1 - length)[row]
    return Packing(token_index, position, wanted, tuple(groups), tuple(outputs))


def _turned(segments: Sequence[Rows], order: Tensor, row: Tensor, place: Tensor) -> Tensor:
    """Columns of the packed items, [T]: a row with padding is rotated until its newest item is the last one."""
    turn = torch.cat([rows.seq_len * int(rows.wanted == "columns") for rows in segments])[order]
    width = torch.cat([torch.full_like(rows.seq_len, rows.item_seq.shape[1]) for rows in segments])[order]
    return (place + turn[row]) % width[row]


def _groups(length: Tensor, counts: Sequence[int], place: Tensor) -> list[Group]:
    """Cuts rows sorted by kind and length into groups of equal or nearly equal lengths."""
    groups: list[Group] = []
    first = row = 0
    for kind, count in zip(KINDS, counts, strict=True):
        lengths, repeats = torch.unique_consecutive(length[row : row + count], return_counts=True)
        for width, n_rows, n_tokens, exact in _merge(lengths.tolist(), repeats.tolist()):
            slots, own = None, length[row : row + n_rows]
            if not exact:
                slots = row_numbers(own) * width + place[first : first + n_tokens]
            groups.append(Group(first, n_tokens, n_rows, width, slots, not exact, own, kind != LAST))
            row += n_rows
            first += n_tokens
    return groups


def _merge(lengths: list[int], counts: list[int]) -> list[tuple[int, int, int, bool]]:
    """Merges lengths, longest first, while the padding stays small: (width, rows, items, all of one length)."""
    merged: list[tuple[int, int, int, bool]] = []
    for width, count in zip(reversed(lengths), reversed(counts), strict=True):
        if merged:
            longest, n_rows, n_tokens, _ = merged[-1]
            padded = longest * (n_rows + count) / (n_tokens + width * count)
            if padded <= _MAX_PADDED_SHARE and (count < _MERGE_BELOW_ROWS or n_rows < _MERGE_BELOW_ROWS):
                merged[-1] = (longest, n_rows + count, n_tokens + width * count, False)
                continue
        merged.append((width, count, width * count, True))
    return merged[::-1]
