"""Packing in a few wide groups that are planned on the host, without waiting for a device.

Letters: R rows of all segments together, L columns, T packed items of all rows together, W wanted outputs, n rows of a
group, l its width.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recbole_cl.batch import Rows
from recbole_cl.encoder.packing.layout import COLUMNS, KINDS, LAST, Group, Packing, extent_of, kind_of, with_bars
from recbole_cl.host import send

_Places = NDArray[np.int64]
_NARROWEST = 8  # minimum number of columns of a group
_WORTH_A_GROUP = 4096  # columns of padding that an additional group must save


def pack_planned(segments: Sequence[Rows], last_position: int | None) -> Packing:
    """Packs each row with the columns of its group, which is the narrowest planned group that fits its length.

    Rows whose length is unknown to the host keep all columns.

    Args:
        segments: Rows of one or more encodings, all of the same width.
        last_position: Position of each row's newest item, at least L - 1; None gives the oldest item position 0.

    Returns:
        The packed place of every item, and of its output.

    Raises:
        ValueError: Segments differ in width.
    """
    device, width = segments[0].seq_len.device, segments[0].item_seq.shape[1]
    if any(rows.item_seq.shape[1] != width for rows in segments):
        widths = [rows.item_seq.shape[1] for rows in segments]
        raise ValueError(f"segments have {widths} columns: groups planned on the host need the same number")
    kinds = np.concatenate([np.full(len(rows.seq_len), kind_of(rows)) for rows in segments])
    bounds = np.concatenate([_bounds(rows) for rows in segments])
    own = np.empty_like(bounds)  # [R] width of each row's group
    for kind in KINDS:
        own[kinds == kind] = group_widths(bounds[kinds == kind], width)
    order = np.lexsort((own, kinds))
    start = np.cumsum(own[order]) - own[order]  # first packed item of each row, in packed order
    n_last = int((kinds == LAST).sum())
    first_every = int(own[kinds == LAST].sum())
    on_device = send(torch.from_numpy(order), device)
    length = torch.cat([extent_of(rows) for rows in segments]).index_select(0, on_device)
    turn = torch.cat([rows.seq_len for rows in segments]).index_select(0, on_device)
    groups, column, position = _lay_out(kinds[order], own[order], length, turn, last_position)
    token_index = torch.cat(
        [(row[:, None] * width + place).flatten() for row, place in zip(_split(on_device, groups), column, strict=True)]
    )
    wanted = None
    if n_last:
        first = send(torch.from_numpy(start[:n_last]), device)
        every = torch.arange(first_every, int(own.sum()), device=device)
        wanted = torch.cat([first + length[:n_last] - 1, every])
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    outputs = tuple(_outputs(segments, rank, start - first_every + n_last, device))
    barred = with_bars(groups, segments, token_index)
    return Packing(token_index, torch.cat(position), wanted, tuple(barred), outputs)


def group_widths(bounds: _Places, width: int) -> _Places:
    """The width of the group in which each row is encoded: L, or about a half, a quarter, ... of it.

    Args:
        bounds: Upper bound of each row's length, at most L. Shape [n].
        width: L.

    Returns:
        Widths, at least the bounds. Shape [n].
    """
    chosen = np.full_like(bounds, width)
    wider = narrower = width
    while (narrower := max(_NARROWEST, -(-narrower // 16) * 8)) < width:
        fits = bounds <= narrower
        if int(fits.sum()) * (wider - narrower) >= _WORTH_A_GROUP:
            chosen[fits] = wider = narrower
        if narrower == _NARROWEST:
            break
    return chosen


def _bounds(rows: Rows) -> _Places:
    """Upper bound of each row's length, as far as the host knows, [B]."""
    if rows.host is None or kind_of(rows) == COLUMNS:
        return np.full(len(rows.seq_len), rows.item_seq.shape[1])
    return rows.host.values


def _lay_out(
    kinds: _Places, own: _Places, length: Tensor, turn: Tensor, last_position: int | None
) -> tuple[list[Group], list[Tensor], list[Tensor]]:
    """Groups, and the columns [n, l] and positions [n * l] of each, for rows in packed order."""
    groups: list[Group] = []
    column, position = [], []
    cuts = np.flatnonzero(np.diff(kinds) | np.diff(own)) + 1
    first = 0
    for begin, end in zip([0, *cuts.tolist()], [*cuts.tolist(), len(own)], strict=True):
        kind, width, n_rows = int(kinds[begin]), int(own[begin]), end - begin
        seq_len, places = length[begin:end], torch.arange(width, device=length.device)
        groups.append(
            Group(first, n_rows * width, n_rows, width, None, kind != COLUMNS, seq_len, every_position=kind != LAST)
        )
        turned = (places + turn[begin:end, None]) % width if kind == COLUMNS else places.expand(n_rows, -1)
        column.append(turned)
        at = places.expand(n_rows, -1)
        if last_position is not None:  # positions after a row's end do not matter, but must be in range
            at = (at + (last_position + 1 - seq_len)[:, None]).clamp(max=last_position)
        position.append(at.flatten())
        first += n_rows * width
    return groups, column, position


def _split(rows: Tensor, groups: Sequence[Group]) -> Sequence[Tensor]:
    return rows.split([group.n_rows for group in groups])


def _outputs(segments: Sequence[Rows], rank: _Places, first: _Places, device: torch.device) -> list[Tensor]:
    """For each segment, the indices of its outputs among the W; ``first`` is each row's first item, in packed order."""
    outputs, done = [], 0
    for rows in segments:
        n_rows, width = rows.item_seq.shape
        mine = rank[done : done + n_rows]
        done += n_rows
        if kind_of(rows) == LAST:
            outputs.append(send(torch.from_numpy(mine), device))
            continue
        start = send(torch.from_numpy(first[mine]), device)
        if kind_of(rows) == COLUMNS:
            outputs.append((start[:, None] + torch.arange(width, device=device)).flatten())
        else:
            places = rows.item_places()
            outputs.append(start.index_select(0, places // width) + places % width)
    return outputs
