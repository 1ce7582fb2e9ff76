"""The draws that operators share: how many items, which ones, which span.

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
    """Computes how many items a ratio means in each row.

    Args:
        seq_len: Row lengths n, 1 or more.
        ratio: Share of the row in [0, 1].
        rounding: ``floor`` is Python's ``int(ratio * n)`` to the last bit, ``ceil`` is ``math.ceil(ratio * n)``.
        at_least: Smallest count; a row shorter than this counts whole.

    Shape:
        ``seq_len`` and the result: [B], int64.

    Returns:
        The counts, in 0..n.

    Raises:
        ValueError: If ``ratio`` or ``rounding`` is none of the above.
    """
    if not 0 <= ratio <= 1:
        raise ValueError(f"ratio {ratio} is outside [0, 1]: give the share of items per row, for example 0.2")
    if rounding not in get_args(Rounding):
        raise ValueError(f"rounding {rounding!r} is unknown: use 'floor' or 'ceil'")
    share = seq_len.double() * ratio  # float64, or int(0.7 * 10) and its like come out one off
    count = (share.floor() if rounding == "floor" else share.ceil()).long()
    return torch.minimum(count.clamp(min=at_least), seq_len)


def choose_positions(item_seq: Tensor, seq_len: Tensor, count: Tensor, generator: torch.Generator) -> Tensor:
    """Chooses distinct real positions of each row, every subset of that size equally likely.

    Args:
        item_seq: Padded rows; only their shape and device are used.
        seq_len: Row lengths.
        count: How many positions of each row, in 0..n.
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
    """Draws a contiguous span of each row, every admissible start equally likely.

    Args:
        seq_len: Row lengths.
        count: Wanted size of each span, in 0..n.
        span: ``any`` span of the row, or one ``before_last``, which never holds the last item.
        generator: Source of randomness, on the rows' device.

    Shape:
        All tensors [B].

    Returns:
        Start and size. Under ``before_last`` the size is n - 1 at most. A span of size 0 starts at any item.

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
