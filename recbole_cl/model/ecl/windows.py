"""Windows of the vectors of packed rows.

Letters: B rows, T items of all rows together, A windows, D hidden size.
"""

from __future__ import annotations

import torch
from torch import Tensor

from recbole_cl.ragged import offsets


def mean_of_last(hidden: Tensor, seq_len: Tensor, row: Tensor, end: Tensor, size: int) -> Tensor:
    """Mean of the vectors in windows of rows, which end at given positions and are cut off at the start of their row.

    Args:
        hidden: Vectors of all rows, row after row.
        seq_len: Number of vectors of each row, 1 or more.
        row: The row of each window.
        end: Number of vectors of that row up to each window's end, in 1..``seq_len``.
        size: Number of vectors in a window, 1 or more; fewer if the window would begin before the row.

    Shape:
        hidden: [T, D]; seq_len: [B]; row, end: [A]; result: [A, D].

    Returns:
        The means, window after window.
    """
    back = torch.arange(size, device=hidden.device)
    place = end.unsqueeze(-1) - 1 - back  # [A, size] positions in the row
    start = offsets(seq_len)[row].unsqueeze(-1)
    picked = hidden.index_select(0, (start + place.clamp(min=0)).flatten()).view(*place.shape, -1)
    inside = (place >= 0).unsqueeze(-1)
    return (picked * inside).sum(1) / inside.sum(1)
