"""Packing of whole rows, padding included: one group for each kind of wanted output.

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


def pack_whole(segments: Sequence[Rows], last_position: int | None, padding_first: bool = False) -> Packing:
    """Packs rows as they are, padding included, so that shapes depend only on the shape of the batch.

    Args:
        segments: Rows of one or more encodings, all of the same width.
        last_position: Position of each row's newest item, at least L - 1; None gives the oldest item position 0.
        padding_first: Whether all rows are packed like those whose columns are wanted: padding, then items.

    Returns:
        The packed place of every item, and of its output.

    Raises:
        ValueError: Segments differ in width.
    """
    device = segments[0].seq_len.device
    width = segments[0].item_seq.shape[1]
    if any(rows.item_seq.shape[1] != width for rows in segments):
        widths = [rows.item_seq.shape[1] for rows in segments]
        raise ValueError(f"segments have {widths} columns: without grouping by length all need the same number")
    base = torch.split(starts_of_rows(segments), [rows.seq_len.shape[0] for rows in segments])
    columns = torch.arange(width, device=device)
    token_index, position, wanted, groups = [], [], [], []
    outputs: list[Tensor] = [columns] * len(segments)
    first = n_out = 0
    for kind in KINDS:
        members = [i for i, rows in enumerate(segments) if kind_of(rows) == kind]
        if not members:
            continue
        turned = padding_first or kind == COLUMNS
        extent = torch.cat([extent_of(segments[i]) for i in members])
        place = columns
        if turned:
            extent = torch.full_like(extent, width)
            place = (columns + torch.cat([segments[i].seq_len for i in members])[:, None]) % width  # [n, L]
        token_index.append((torch.cat([base[i] for i in members])[:, None] + place).flatten())
        n_rows, n_tokens, every = extent.shape[0], extent.shape[0] * width, kind != LAST
        groups.append(Group(first, n_tokens, n_rows, width, None, not turned, extent, every))
        position.append(_whole_positions(columns, extent, last_position))
        row_start = first + width * torch.arange(n_rows, device=device)
        wanted.append(torch.arange(first, first + n_tokens, device=device) if every else row_start + extent - 1)
        done = 0
        for i in members:
            n = segments[i].seq_len.shape[0]
            if kind == COLUMNS:
                outputs[i] = torch.arange(n_out + width * done, n_out + width * (done + n), device=device)
            elif every:
                outputs[i] = n_out + width * done + segments[i].item_places()
                if padding_first:
                    seq_len, n_items = segments[i].seq_len, len(outputs[i])
                    outputs[i] += torch.repeat_interleave(width - seq_len, seq_len, output_size=n_items)
            else:
                outputs[i] = torch.arange(n_out + done, n_out + done + n, device=device)
            done += n
        first += n_tokens
        n_out += wanted[-1].shape[0]
    tokens = torch.cat(token_index)
    all_wanted = torch.cat(wanted) if groups[0].every_position is False else None
    barred = with_bars(groups, segments, tokens, padding_first)
    return Packing(tokens, torch.cat(position), all_wanted, tuple(barred), tuple(outputs))


def _whole_positions(columns: Tensor, extent: Tensor, last_position: int | None) -> Tensor:
    """Positions of whole rows' columns, flattened; those after a row's end do not matter, but must be in range."""
    if last_position is None:
        return columns.repeat(extent.shape[0])
    return (columns + (last_position + 1 - extent)[:, None]).clamp(max=last_position).flatten()
