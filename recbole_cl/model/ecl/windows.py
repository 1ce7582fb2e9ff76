"""Windows of the vectors of packed rows.

Letters: B rows, T items of all rows together, K windows of a row, D hidden size.
"""

from __future__ import annotations

import torch
from torch import Tensor

from recbole_cl.ragged import offsets


def mean_of_last(hidden: Tensor, seq_len: Tensor, end: Tensor, size: int) -> Tensor:
    """Mean of the vectors in windows of a row, which end at given places and are cut off at the row's begin.

    Args:
        hidden: Vectors of all rows, row after row.
        seq_len: Number of vectors of each row, 1 or more.
        end: How many vectors of the row lie up to each window's end, in 1..``seq_len``.
        size: Vectors in a window, 1 or more; fewer where the row begins later.

    Shape:
        hidden: [T, D]; seq_len: [B]; end: [B, K]; result: [B * K, D].

    Returns:
        The means, row after row.
    """
    back = torch.arange(size, device=hidden.device)
    place = end.unsqueeze(-1) - 1 - back  # [B, K, size] places in the row
    start = offsets(seq_len)[:, None, None]
    picked = hidden.index_select(0, (start + place.clamp(min=0)).flatten()).view(*place.shape, -1)
    inside = (place >= 0).unsqueeze(-1)
    return ((picked * inside).sum(2) / inside.sum(2)).flatten(0, 1)
