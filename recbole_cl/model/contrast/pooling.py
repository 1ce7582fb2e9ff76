"""Pools the encoder's outputs for a row into the one vector that a contrast compares.

Letters: B rows, L columns, T real items of all rows, D hidden size.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from recbole_cl.batch import Rows, Wanted
from recbole_cl.errors import UsageError
from recbole_cl.model.contrast.pairs import ViewPair
from recbole_cl.ragged import offsets, row_numbers

_WANTED: dict[str, Wanted] = {"concat": "columns", "column_mean": "columns", "last": "last", "mean": "items"}
POOLINGS = tuple(_WANTED)


def pools_padding(pooling: str) -> bool:
    """Whether padding is pooled like items, so that positions must be counted from the newest item."""
    return _WANTED.get(pooling) == "columns"  # get: methods elsewhere may have their own poolings


def refuse_pooling(pooling: str, right_aligned: bool) -> None:
    """Refuses a pooling that does not fit the way in which positions are counted.

    Raises:
        UsageError: If padding is pooled, too, and does not come before the items.
    """
    if pools_padding(pooling) and not right_aligned:
        raise UsageError(f"pooling = {pooling}: padding stands before the items, so set right_aligned to True")


def rows_to_pool(view: Rows, pooling: str, holes: bool = False) -> Rows:
    """The rows of a view, with the outputs that a pooling needs.

    Args:
        view: Right-padded rows. [B, L] and [B].
        pooling: ``concat``, ``column_mean``, ``last`` or ``mean``.
        holes: Whether id 0 may occur among a row's items.

    Returns:
        The input of ``encode``.
    """
    return Rows(view.item_seq, view.seq_len, _WANTED[pooling], holes=holes, host=view.host)


def pool(hidden: Tensor, rows: Rows, pooling: str) -> Tensor:
    """Pools the outputs of ``rows_to_pool`` into one vector per row.

    * ``concat``: all L columns concatenated, padding included, as in CoSeRec's and SRMA's code;
    * ``column_mean``: the mean over all L columns, padding included, as in ICLRec's code;
    * ``last``: the output at the newest position, whose item may be masked;
    * ``mean``: the mean over the row's items, without holes.

    Args:
        hidden: Encoder outputs. [B * L, D] for ``concat`` and ``column_mean``, [B, D] for ``last``, [T, D] for
            ``mean``.
        rows: The encoded rows.
        pooling: As for ``rows_to_pool``.

    Returns:
        [B, L * D] for ``concat``, else [B, D].
    """
    n_rows = len(rows.seq_len)
    if pooling == "concat":
        return hidden.view(n_rows, -1)
    if pooling == "column_mean":
        return hidden.view(n_rows, -1, hidden.shape[-1]).mean(1)
    if pooling == "last":
        return hidden
    row = row_numbers(rows.seq_len, len(hidden))
    place = torch.arange(len(hidden), device=hidden.device) - offsets(rows.seq_len)[row]
    real = (rows.item_seq[row, place] != 0).to(hidden.dtype).unsqueeze(1)  # [T, 1], holes are not items
    total = hidden.new_zeros(n_rows, hidden.shape[1]).index_add(0, row, hidden * real)
    return total / hidden.new_zeros(n_rows, 1).index_add(0, row, real).clamp(min=1)


def pooled_pair(encoded: Sequence[Tensor], views: Sequence[Rows], anchors: Rows, pooling: str) -> ViewPair:
    """Two views of rows, pooled.

    Args:
        encoded: The encoder's outputs for each view.
        views: The two views, as ``rows_to_pool`` gives them.
        anchors: The rows that both views were made from.
        pooling: As for ``rows_to_pool``.

    Returns:
        The pair to compare.
    """
    z_a, z_b = (pool(*pair, pooling) for pair in zip(encoded, views, strict=True))
    whole = rows_to_pool(anchors._replace(wanted="last"), pooling)
    return ViewPair(z_a, z_b, views[1], whole, partial(pool, pooling=pooling))
