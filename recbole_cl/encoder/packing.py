"""Rows of a batch, packed end to end so that an encoder does no work on padding.

Letters: R rows of all segments together, L columns, T packed items of all rows together, W wanted outputs, D hidden
size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from recbole_cl.augmentation.positions import places_of_items

_MERGE_BELOW_ROWS = 64  # fewer rows of one length than this are cheaper padded to a longer group than run alone
_MAX_PADDED_SHARE = 1.5  # padded over real items that a merged group may reach
_LAST, _EVERY, _PADDED = _KINDS = range(3)  # what is wanted of a row; packed in this order


class Rows(NamedTuple):
    """Right-padded rows of item ids, and where the encoder's output is wanted.

    Attributes:
        item_seq: Item ids, oldest first, 0 beyond the length. Shape [B, L].
        seq_len: True lengths, 1..L. Shape [B].
        every_position: Output wanted at every real position, row after row (True), or at the last one only.
        padding: Output wanted at all L columns, padding included, with the row moved to the right end of the columns:
            what left-padded code (CoSeRec, SRMA) gives. Padding is then encoded like items; see ``Group.barred``.
        holes: Id 0 may stand among the row's items and is padding there: nothing looks at it.
        places: Flat places of the real items in [B, L], row after row, [T], if they are known: then the host need not
            wait for the device to count them.
    """

    item_seq: Tensor
    seq_len: Tensor
    every_position: bool = False
    padding: bool = False
    holes: bool = False
    places: Tensor | None = None


@dataclass(frozen=True)
class Group:
    """Neighbouring rows of the packed order that attend together, as one [n_rows, width] rectangle.

    Attributes:
        first: Index of the group's first packed item.
        n_tokens: Packed items in the group.
        n_rows: Rows.
        width: Length of its longest row.
        slots: Where each packed item stands in the flattened rectangle, [n_tokens]; None if they fill it.
        padded: Whether some row is, or may be, shorter than ``width``.
        seq_len: Lengths of the rows, [n_rows].
        every_position: Whether all outputs are wanted, or those of the last positions only.
        barred: Where the rectangle holds id 0, [n_rows, width], at which no query looks; one that would have nothing
            left to look at sees its whole row instead, as under the additive mask of -10000 of left-padded code.
            None if ids of 0 lie beyond the rows' ends only.
        bidirectional: Whether queries see later items even if the encoder is causal.
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


@dataclass(frozen=True)
class Packing:
    """How rows of several segments lie in one packed sequence of items.

    Attributes:
        token_index: Index of each packed item in the concatenation of the flattened ``item_seq`` of all segments, [T].
        position: Position of each packed item for the position embedding, [T].
        wanted: Packed items whose output is wanted, [W]; None for all of them.
        groups: The attention rectangles, in packed order.
        outputs: For each segment, which of the W outputs are its own, in the caller's order.
    """

    token_index: Tensor
    position: Tensor
    wanted: Tensor | None
    groups: tuple[Group, ...]
    outputs: tuple[Tensor, ...]


def pack(segments: Sequence[Rows], group_by_length: bool, last_position: int | None = None) -> Packing:
    """Packs the rows of all segments into one sequence of items, so that one pass encodes them all.

    Rows do not see one another, so their order is free: with ``group_by_length`` they are sorted by length, padding
    is dropped, and rows of one length (or nearly so) form an attention group. Without it every row keeps all its
    columns and each kind of segment is one group: more arithmetic, but few launches and no host synchronisation,
    which suits a GPU. Causal attention over right-padded rows never reads padding, so both give the same outputs.

    Args:
        segments: Views to encode together. Segments may differ in their number of columns with
            ``group_by_length`` only.
        group_by_length: Whether to drop padding and group rows by length.
        last_position: Position of each row's newest item, at least L - 1; None has the oldest item at position 0.

    Returns:
        The packing; encoder outputs of segment i are ``output[packing.outputs[i]]``.

    Raises:
        ValueError: If there is no segment, or, without grouping, if their numbers of columns differ.
    """
    if not segments:
        raise ValueError("nothing to pack: give at least one segment of rows")
    return (_pack_grouped if group_by_length else _pack_whole)(segments, last_position)


def _pack_grouped(segments: Sequence[Rows], last_position: int | None) -> Packing:
    device = segments[0].seq_len.device
    extent = torch.cat([_extent(rows) for rows in segments])
    kind = torch.cat([torch.full_like(rows.seq_len, _kind(rows)) for rows in segments])
    stride = max(rows.item_seq.shape[1] for rows in segments) + 1
    order = torch.argsort(kind * stride + extent, stable=True)  # [R] kind after kind, each by length
    length = extent[order]
    end = length.cumsum(0)
    start = end - length  # [R] first packed item of each row
    row = torch.repeat_interleave(torch.arange(len(order), device=device), length)  # [T]
    place = torch.arange(len(row), device=device) - start[row]  # [T] of an item in its row
    counts = [sum(len(rows.seq_len) for rows in segments if _kind(rows) == kind) for kind in _KINDS]
    n_last = counts[_LAST]
    first_every = int(end[n_last - 1]) if n_last else 0
    wanted = torch.cat([end[:n_last] - 1, torch.arange(first_every, len(row), device=device)]) if n_last else None
    column = _turned(segments, order, row, place) if counts[_PADDED] else place
    token_index = _row_offsets(segments)[order][row] + column
    groups = _with_bars(_groups(length, counts, place), segments, token_index)
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order), device=device)
    outputs, done = [], 0
    for rows in segments:
        mine = rank[done : done + len(rows.seq_len)]  # sorted place of each row, in the caller's order
        done += len(rows.seq_len)
        outputs.append(mine if _kind(rows) == _LAST else _spans(start[mine] - first_every + n_last, _extent(rows)))
    position = place if last_position is None else place + (last_position + 1 - length)[row]
    return Packing(token_index, position, wanted, tuple(groups), tuple(outputs))


def _pack_whole(segments: Sequence[Rows], last_position: int | None) -> Packing:
    device = segments[0].seq_len.device
    width = segments[0].item_seq.shape[1]
    if any(rows.item_seq.shape[1] != width for rows in segments):
        widths = [rows.item_seq.shape[1] for rows in segments]
        raise ValueError(f"segments have {widths} columns: without grouping by length all need the same number")
    base = torch.split(_row_offsets(segments), [len(rows.seq_len) for rows in segments])
    columns = torch.arange(width, device=device)
    token_index, position, wanted, groups = [], [], [], []
    outputs: list[Tensor] = [columns] * len(segments)
    first = n_out = 0
    for kind in _KINDS:
        members = [i for i, rows in enumerate(segments) if _kind(rows) == kind]
        if not members:
            continue
        extent = torch.cat([_extent(segments[i]) for i in members])
        place = columns
        if kind == _PADDED:
            place = (columns + torch.cat([segments[i].seq_len for i in members])[:, None]) % width  # [n, L]
        token_index.append((torch.cat([base[i] for i in members])[:, None] + place).flatten())
        n_rows, n_tokens, every = len(extent), len(extent) * width, kind != _LAST
        groups.append(Group(first, n_tokens, n_rows, width, None, kind != _PADDED, extent, every))
        position.append(_whole_positions(columns, extent, last_position))
        row_start = first + width * torch.arange(n_rows, device=device)
        wanted.append(torch.arange(first, first + n_tokens, device=device) if every else row_start + extent - 1)
        done = 0
        for i in members:
            n = len(segments[i].seq_len)
            if kind == _PADDED:
                outputs[i] = torch.arange(n_out + width * done, n_out + width * (done + n), device=device)
            elif every:
                outputs[i] = n_out + width * done + item_places(segments[i])
            else:
                outputs[i] = torch.arange(n_out + done, n_out + done + n, device=device)
            done += n
        first += n_tokens
        n_out += len(wanted[-1])
    tokens = torch.cat(token_index)
    all_wanted = torch.cat(wanted) if groups[0].every_position is False else None
    barred = _with_bars(groups, segments, tokens)
    return Packing(tokens, torch.cat(position), all_wanted, tuple(barred), tuple(outputs))


def item_places(rows: Rows) -> Tensor:
    """Flat places of the real items in [B, L], row after row, [T]; the host waits for the device to count them.

    If the rows bring them, they are returned as they are and nobody waits.
    """
    if rows.places is not None:
        return rows.places
    return places_of_items(rows.seq_len, rows.item_seq.shape[1])


def _kind(rows: Rows) -> int:
    return _PADDED if rows.padding else _EVERY if rows.every_position else _LAST


def _extent(rows: Rows) -> Tensor:
    """Packed items of each row, [B]: its own, or all columns where padding is wanted as well."""
    return torch.full_like(rows.seq_len, rows.item_seq.shape[1]) if rows.padding else rows.seq_len


def _turned(segments: Sequence[Rows], order: Tensor, row: Tensor, place: Tensor) -> Tensor:
    """Columns of the packed items, [T]: a padded row turns until its newest item is the last one."""
    turn = torch.cat([rows.seq_len * int(rows.padding) for rows in segments])[order]
    width = torch.cat([torch.full_like(rows.seq_len, rows.item_seq.shape[1]) for rows in segments])[order]
    return (place + turn[row]) % width[row]


def _whole_positions(columns: Tensor, extent: Tensor, last_position: int | None) -> Tensor:
    """Positions of whole rows' columns, flattened; those beyond a row's end are of no account, but in range."""
    if last_position is None:
        return columns.repeat(len(extent))
    return (columns + (last_position + 1 - extent)[:, None]).clamp(max=last_position).flatten()


def _row_offsets(segments: Sequence[Rows]) -> Tensor:
    """Start of every row in the concatenation of the flattened segments, [R]."""
    offsets, done = [], 0
    for rows in segments:
        n_rows, width = rows.item_seq.shape
        offsets.append(done + width * torch.arange(n_rows, device=rows.item_seq.device))
        done += n_rows * width
    return torch.cat(offsets)


def _spans(start: Tensor, length: Tensor) -> Tensor:
    """Indices start..start+length-1 of every row, one row after the other."""
    shift = start - (length.cumsum(0) - length)
    spans = torch.repeat_interleave(shift, length)
    return spans + torch.arange(len(spans), device=start.device)


def _groups(length: Tensor, counts: Sequence[int], place: Tensor) -> list[Group]:
    """Cuts rows sorted by kind and length into groups of equal, or nearly equal, lengths."""
    groups: list[Group] = []
    first = row = 0
    for kind, count in zip(_KINDS, counts, strict=True):
        lengths, repeats = torch.unique_consecutive(length[row : row + count], return_counts=True)
        for width, n_rows, n_tokens, exact in _merge(lengths.tolist(), repeats.tolist()):
            slots, own = None, length[row : row + n_rows]
            if not exact:
                rows_of = torch.arange(n_rows, device=length.device)
                slots = torch.repeat_interleave(rows_of, own) * width + place[first : first + n_tokens]
            groups.append(Group(first, n_tokens, n_rows, width, slots, not exact, own, kind != _LAST))
            row += n_rows
            first += n_tokens
    return groups


def _with_bars(groups: Sequence[Group], segments: Sequence[Rows], token_index: Tensor) -> list[Group]:
    """Marks where groups hold id 0, if any segment may have it among its items."""
    if not any(rows.padding or rows.holes for rows in segments):
        return list(groups)
    empty = torch.cat([rows.item_seq.flatten() for rows in segments]).index_select(0, token_index) == 0  # [T]
    return [replace(group, barred=_barred(group, empty)) for group in groups]


def _barred(group: Group, empty: Tensor) -> Tensor:
    own = empty[group.first : group.first + group.n_tokens]
    if group.slots is not None:
        own = own.new_ones(group.n_rows * group.width).index_copy(0, group.slots, own)
    return own.view(group.n_rows, group.width)


def _merge(lengths: list[int], counts: list[int]) -> list[tuple[int, int, int, bool]]:
    """Joins lengths, longest first, as long as little padding results: (width, rows, items, all of one length)."""
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
