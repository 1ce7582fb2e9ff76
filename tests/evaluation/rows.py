"""Rows to evaluate, made up."""

from __future__ import annotations

import torch

from recbole_cl.data.rows import RowSet


def rows_of_users(histories: list[list[int]], width: int) -> RowSet:
    """One row per user, the last item the target."""
    items = [item for history in histories for item in history]
    ends, starts, first, user_start = [], [], 0, []
    for history in histories:
        end = first + len(history) - 1
        ends.append(end)
        starts.append(max(first, end - width))
        user_start += [first] * len(history)
        first += len(history)
    users = list(range(1, len(histories) + 1))
    flat, first_of_user, user, row_start, row_end = map(torch.tensor, (items, user_start, users, starts, ends))
    return RowSet(flat, first_of_user, user, row_start, row_end, width)
