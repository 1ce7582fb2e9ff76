"""How the encoder's outputs for a row become the one vector that contrast compares.

Letters: B rows, L columns, T real items of all rows, D hidden size.
"""

from __future__ import annotations

import torch
from torch import Tensor

from recbole_cl.augmentation import View
from recbole_cl.encoder.packing import Rows
from recbole_cl.encoder.windows import row_numbers
from recbole_cl.errors import UsageError

POOLINGS = ("concat", "last", "mean")


def refuse_misfits(pooling: str, right_aligned: bool) -> None:
    """Refuses a pooling that positions, counted as they are, give no meaning.

    Raises:
        UsageError: If all positions are to stand side by side, and padding does not stand before the items.
    """
    if pooling == "concat" and not right_aligned:
        raise UsageError("pooling = concat: padding stands before the items, so set right_aligned to True")


def rows_to_pool(view: View, pooling: str, holes: bool = False) -> Rows:
    """The rows of a view, with the outputs that a pooling needs.

    Args:
        view: Right-padded rows. [B, L] and [B].
        pooling: ``concat``, ``last`` or ``mean``.
        holes: Whether id 0 may stand among a row's items.

    Returns:
        What ``encode`` takes.
    """
    every = pooling == "mean"
    return Rows(view.item_seq, view.seq_len, every_position=every, padding=pooling == "concat", holes=holes)


def pool(hidden: Tensor, rows: Rows, pooling: str) -> Tensor:
    """Turns the outputs of ``rows_to_pool`` into one vector per row.

    * ``concat``: all L columns side by side, padding included, as in CoSeRec's and SRMA's code;
    * ``last``: the newest position's, whose item may be masked;
    * ``mean``: the mean over the row's items, holes left out.

    Args:
        hidden: Encoder outputs. [B * L, D], [B, D] or [T, D], in this order of poolings.
        rows: The encoded rows.
        pooling: As for ``rows_to_pool``.

    Returns:
        [B, L * D] for ``concat``, else [B, D].
    """
    n_rows = len(rows.seq_len)
    if pooling == "concat":
        return hidden.view(n_rows, -1)
    if pooling == "last":
        return hidden
    row = row_numbers(rows.seq_len, len(hidden))
    place = torch.arange(len(hidden), device=hidden.device) - (rows.seq_len.cumsum(0) - rows.seq_len)[row]
    real = (rows.item_seq[row, place] != 0).to(hidden.dtype).unsqueeze(1)  # [T, 1], a hole is no item
    total = hidden.new_zeros(n_rows, hidden.shape[1]).index_add(0, row, hidden * real)
    return total / hidden.new_zeros(n_rows, 1).index_add(0, row, real).clamp(min=1)
