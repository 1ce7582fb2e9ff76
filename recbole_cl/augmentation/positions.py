"""Random choices that operators share: how many items, which items, which span.

Letters: B batch, L length (columns of the padded row), n a row's own length.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from recbole_cl.ragged import columns, real_items

Rounding = Literal["floor", "ceil"]
Span = Literal["any", "before_last"]


def item_count(seq_len: Tensor, ratio: float, rounding: Rounding = "floor", at_least: int = 0) -> Tensor:
    """Computes the number of items that a ratio means in each row.

    Args:
        seq_len: Row lengths n, 1 or more.
        ratio: Share of the row in [0, 1].
        rounding: ``floor`` equals Python's ``int(ratio * n)`` exactly, ``ceil`` equals ``math.ceil(ratio * n)``.
        at_least: Smallest count; in a row shorter than this, all items count.

    Shape:
        ``seq_len`` and the result: [B], int64.

    Returns:
        The counts, in 0..n.

    Raises:
        ValueError: If ``ratio`` is outside [0, 1] or ``rounding`` is unknown.
    """
    if not 0 <= ratio <= 1:
        raise ValueError(f"ratio {ratio} is outside [0, 1]: give the share of items per row, for example 0.2")
    if rounding not in get_args(Rounding):
        raise ValueError(f"rounding {rounding!r} is unknown: use 'floor' or 'ceil'")
    share = seq_len.double() * ratio  # float64: otherwise int(0.7 * 10) and the like could differ by one
    count = (share.floor() if rounding == "floor" else share.ceil()).long()
    return torch.minimum(count.clamp(min=at_least), seq_len)


def choose_positions(item_seq: Tensor, seq_len: Tensor, count: Tensor, generator: torch.Generator) -> Tensor:
    """Chooses distinct real positions of each row; all subsets of the given size are equally likely.

    Args:
        item_seq: Padded rows; only their shape and device are used.
        seq_len: Row lengths.
        count: Number of positions of each row, in 0..n.
        generator: Source of randomness, on the rows' device.

    Shape:
        ``item_seq`` [B, L]; ``seq_len`` and ``count`` [B]; the result [B, L].

    Returns:
        True at the chosen positions, never at padding.
    """
    keys = torch.rand(item_seq.shape, generator=generator, device=item_seq.device)
    order = keys.masked_fill_(~real_items(item_seq, seq_len), 2.0).argsort(dim=1)
    first = columns(item_seq) < count.unsqueeze(1)
    return torch.empty_like(first).scatter_(1, order, first)  # order is a permutation: every element is written


def draw_span(seq_len: Tensor, count: Tensor, span: Span, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draws a contiguous span of each row; all allowed starts are equally likely.

    Args:
        seq_len: Row lengths.
        count: Requested size of each span, in 0..n.
        span: ``any`` span of the row, or one ``before_last``, which never contains the last item.
        generator: Source of randomness, on the rows' device.

    Shape:
        All tensors [B].

    Returns:
        Start and size. With ``before_last`` the size is at most n - 1. A span of size 0 may start at any item.

    Raises:
        ValueError: If ``span`` is unknown.
    """
    if span not in get_args(Span):
        raise ValueError(f"span {span!r} is unknown: use 'any' or 'before_last'")
    end = seq_len - int(span == "before_last")
    size = torch.minimum(count, end)
    starts = torch.minimum(end - size + 1, seq_len)
    draw = torch.rand(seq_len.shape, generator=generator, device=seq_len.device, dtype=torch.float64)
    return (draw * starts).long(), size
