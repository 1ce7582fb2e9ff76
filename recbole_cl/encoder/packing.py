"""Rows of a batch, packed end to end so that an encoder does no work on padding.

Letters: R rows of all segments together, L columns, T real items of all rows together, W wanted outputs, D hidden size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

_MERGE_BELOW_ROWS = 8  # fewer rows of one length than this are cheaper padded to a longer group than run alone
_MAX_PADDED_SHARE = 1.35  # padded over real items that a merged group may reach


class Rows(NamedTuple):
    """Right-padded rows of item ids, and where the encoder's output is wanted.

    Attributes:
        item_seq: Item ids, oldest first, 0 beyond the length. Shape [B, L].
        seq_len: True lengths, 1..L. Shape [B].
        every_position: Output wanted at every real position, row after row (True), or at the last one only.
    """

    item_seq: Tensor
    seq_len: Tensor
    every_position: bool = False


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
    """

    first: int
    n_tokens: int
    n_rows: int
    width: int
    slots: Tensor | None
    padded: bool
    seq_len: Tensor
    every_position: bool


@dataclass(frozen=True)
class Packing:
    """How rows of several segments lie in one packed sequence of items.

    Attributes:
        token_index: Index of each packed item in the concatenation of the flattened ``item_seq`` of all segments, [T].
        position: Position of each packed item in its row, 0 the oldest, [T].
        wanted: Packed items whose output is wanted, [W]; None for all of them.
        groups: The attention rectangles, in packed order.
        outputs: For each segment, which of the W outputs are its own, in the caller's order.
    """

    token_index: Tensor
    position: Tensor
    wanted: Tensor | None
    groups: tuple[Group, ...]
    outputs: tuple[Tensor, ...]


def pack(segments: Sequence[Rows], group_by_length: bool) -> Packing:
    """Packs the rows of all segments into one sequence of items, so that one pass encodes them all.

    Rows do not see one another, so their order is free: with ``group_by_length`` they are sorted by length, padding
    is dropped, and rows of one length (or nearly so) form an attention group. Without it every row keeps all its
    columns and each kind of segment is one group: more arithmetic, but few launches and no host synchronisation,
    which suits a GPU. Causal attention over right-padded rows never reads padding, so both give the same outputs.

    Args:
        segments: Views to encode together. Segments may differ in their number of columns with
            ``group_by_length`` only.
        group_by_length: Whether to drop padding and group rows by length.

    Returns:
        The packing; encoder outputs of segment i are ``output[packing.outputs[i]]``.

    Raises:
        ValueError: If there is no segment, or, without grouping, if their numbers of columns differ.
    """
    if not segments:
        raise ValueError("nothing to pack: give at least one segment of rows")
    return _pack_grouped(segments) if group_by_length else _pack_whole(segments)


def _pack_grouped(segments: Sequence[Rows]) -> Packing:
    device = segments[0].seq_len.device
    seq_len = torch.cat([rows.seq_len for rows in segments])
    every = torch.cat([torch.full_like(rows.seq_len, int(rows.every_position)) for rows in segments])
    stride = max(rows.item_seq.shape[1] for rows in segments) + 1
    order = torch.argsort(every * stride + seq_len, stable=True)  # [R] last-position rows first, each kind by length
    base = _row_offsets(segments)[order]
    length = seq_len[order]
    end = length.cumsum(0)
    start = end - length  # [R] first packed item of each row
    row = torch.repeat_interleave(torch.arange(len(order), device=device), length)  # [T]
    position = torch.arange(len(row), device=device) - start[row]
    n_last = sum(len(rows.seq_len) for rows in segments if not rows.every_position)
    first_every = int(end[n_last - 1]) if n_last else 0
    wanted = torch.cat([end[:n_last] - 1, torch.arange(first_every, len(row), device=device)]) if n_last else None
    groups = _groups(length, [(0, n_last, False), (n_last, len(order), True)], position)
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order), device=device)
    outputs, done = [], 0
    for rows in segments:
        mine = rank[done : done + len(rows.seq_len)]  # sorted place of each row, in the caller's order
        done += len(rows.seq_len)
        outputs.append(_spans(start[mine] - first_every + n_last, rows.seq_len) if rows.every_position else mine)
    return Packing(base[row] + position, position, wanted, tuple(groups), tuple(outputs))


def _pack_whole(segments: Sequence[Rows]) -> Packing:
    device = segments[0].seq_len.device
    width = segments[0].item_seq.shape[1]
    if any(rows.item_seq.shape[1] != width for rows in segments):
        widths = [rows.item_seq.shape[1] for rows in segments]
        raise ValueError(f"segments have {widths} columns: without grouping by length all need the same number")
    kinds = [[i for i, rows in enumerate(segments) if rows.every_position is every] for every in (False, True)]
    base = torch.split(_row_offsets(segments), [len(rows.seq_len) for rows in segments])
    columns = torch.arange(width, device=device)
    token_index, wanted, groups = [], [], []
    outputs: list[Tensor] = [columns] * len(segments)
    first = n_out = 0
    for every, members in zip((False, True), kinds, strict=True):
        if not members:
            continue
        seq_len = torch.cat([segments[i].seq_len for i in members])
        token_index.append((torch.cat([base[i] for i in members])[:, None] + columns).flatten())
        n_tokens = len(seq_len) * width
        groups.append(Group(first, n_tokens, len(seq_len), width, None, True, seq_len, every))
        row_start = first + width * torch.arange(len(seq_len), device=device)
        if every:
            wanted.append(torch.arange(first, first + n_tokens, device=device))
        else:
            wanted.append(row_start + seq_len - 1)
        done = 0
        for i in members:
            rows = segments[i]
            if every:
                begin = n_out + width * torch.arange(done, done + len(rows.seq_len), device=device)
                outputs[i] = _spans(begin, rows.seq_len)
            else:
                outputs[i] = torch.arange(n_out + done, n_out + done + len(rows.seq_len), device=device)
            done += len(rows.seq_len)
        first += n_tokens
        n_out += len(wanted[-1])
    all_wanted = None if not kinds[0] else torch.cat(wanted)
    position = columns.repeat(first // width)
    return Packing(torch.cat(token_index), position, all_wanted, tuple(groups), tuple(outputs))


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


def _groups(length: Tensor, kinds: Sequence[tuple[int, int, bool]], position: Tensor) -> list[Group]:
    """Cuts rows sorted by length into groups of equal, or nearly equal, lengths."""
    groups: list[Group] = []
    first = 0
    for begin, end, every in kinds:
        lengths, counts = torch.unique_consecutive(length[begin:end], return_counts=True)
        row = begin
        for width, n_rows, n_tokens, exact in _merge(lengths.tolist(), counts.tolist()):
            slots = None
            if not exact:
                rows_of = torch.arange(n_rows, device=length.device)
                tokens = position[first : first + n_tokens]
                slots = torch.repeat_interleave(rows_of, length[row : row + n_rows]) * width + tokens
            groups.append(Group(first, n_tokens, n_rows, width, slots, not exact, length[row : row + n_rows], every))
            row += n_rows
            first += n_tokens
    return groups


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
