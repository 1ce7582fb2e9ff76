"""Rows of unequal length: where they begin in a flat array, and where their items are in padded rectangles.

Letters: B rows, L columns, T items of all rows together, I elements of a flat array.
"""

from __future__ import annotations

import torch
from torch import Tensor


def offsets(length: Tensor) -> Tensor:
    """The start of each row when rows of these lengths are concatenated, [B] -> [B]."""
    return length.cumsum(0) - length


def last_places(length: Tensor) -> Tensor:
    """The last index of each row when rows of these lengths are concatenated, [B] -> [B]."""
    return length.cumsum(0) - 1


def row_numbers(length: Tensor, n_items: int | None = None) -> Tensor:
    """The row of every item, row after row.

    Args:
        length: Number of items of each row. Shape [B].
        n_items: T, their sum. None computes it; the host then waits for the device.

    Returns:
        Row numbers. Shape [T].
    """
    rows = torch.arange(len(length), device=length.device)
    return torch.repeat_interleave(rows, length, output_size=n_items)


def spans(first: Tensor, length: Tensor, n_items: int | None = None) -> Tensor:
    """The numbers first .. first + length - 1 of every row, one row after the other.

    Args:
        first: First number of each row. Shape [B].
        length: How many numbers. Shape [B].
        n_items: As for ``row_numbers``.

    Returns:
        The numbers. Shape [T].
    """
    shift = torch.repeat_interleave(first - offsets(length), length, output_size=n_items)
    return shift + torch.arange(len(shift), device=first.device)


def places_of_items(seq_len: Tensor, width: int, n_items: int | None = None) -> Tensor:
    """Flat positions of the items of right-padded rows, row after row.

    Args:
        seq_len: Row lengths. Shape [B].
        width: L, columns of a row.
        n_items: As for ``row_numbers``.

    Returns:
        The positions, each in 0 .. B * L - 1. Shape [T].
    """
    return spans(width * torch.arange(len(seq_len), device=seq_len.device), seq_len, n_items)


def places_of_true(mask: Tensor, n_true: int | None = None) -> Tensor:
    """Where a mask [T] is True, in order.

    Args:
        mask: The mask.
        n_true: Number of these positions. None counts them; the host then waits for the device.

    Returns:
        The positions. Shape [n_true].
    """
    return (mask.nonzero() if n_true is None else mask.nonzero_static(size=n_true)).squeeze(1)


def columns(like: Tensor) -> Tensor:
    """Numbers the columns of ``like`` [B, L]: 0 .. L - 1 on its device."""
    return torch.arange(like.shape[1], device=like.device)


def real_items(item_seq: Tensor, seq_len: Tensor) -> Tensor:
    """Distinguishes real columns from padding by the row's length, because id 0 may also occur inside a row.

    Args:
        item_seq: Right-padded rows. Shape [B, L].
        seq_len: Their lengths. Shape [B].

    Returns:
        True at the first ``seq_len`` columns. Shape [B, L].
    """
    return columns(item_seq) < seq_len.unsqueeze(1)


def window(values: Tensor, start: Tensor, end: Tensor, width: int) -> Tensor:
    """Copies windows of a flat array to right-padded rows, in one gather.

    Args:
        values: Flat array, [I] or [I, ...].
        start: First element of each window, [...].
        end: One after the last element of each window, [...]; at most ``width`` after ``start``.
        width: Columns of the result, L.

    Returns:
        Rows of shape [..., L] (followed by the element's own shape), 0 after the end of each window.
    """
    place = start.unsqueeze(-1) + torch.arange(width, device=start.device)
    inside = place < end.unsqueeze(-1)
    rows = values[place.clamp(max=len(values) - 1)]
    return rows * inside.view(*inside.shape, *(1,) * (rows.dim() - inside.dim())).to(rows.dtype)


def compact(items: Tensor, keep: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """Moves the kept items of each row together, to the left; if they do not all fit, the newest ones are kept.

    Args:
        items: Rows of any number of columns, M. Shape [B, M].
        keep: Which items to keep. Shape [B, M], bool.
        width: L, columns of the result.

    Returns:
        The rows, [B, L], 0 after the items, and the number of items in each, [B].
    """
    rank = keep.cumsum(dim=1)  # 1, 2, ... at the kept items
    total = rank[:, -1:]
    column = rank - 1 - (total - width).clamp(min=0)
    column = torch.where(keep & (column >= 0), column, width)  # dropped items go to a spare column
    packed = items.new_zeros(items.size(0), width + 1).scatter_(1, column, items)
    return packed[:, :width].contiguous(), total.squeeze(1).clamp(max=width)


def append(items: Tensor, length: Tensor, last: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """Appends one item to each right-padded row; if a row is full, its first item is dropped.

    Args:
        items: Rows of at most ``width`` columns. Shape [B, M].
        length: Their lengths. Shape [B].
        last: The items to append. Shape [B].
        width: L, maximum number of items of a row.

    Returns:
        The rows, [B, M + 1] or [B, L] if that is less, and their lengths, [B].
    """
    if items.shape[1] < width:
        items = torch.nn.functional.pad(items, (0, 1))
    else:
        items = torch.where((length == width).unsqueeze(1), items.roll(-1, 1), items)
    place = length.clamp(max=width - 1)
    return items.scatter(1, place.unsqueeze(1), last.unsqueeze(1)), place + 1
