"""Groups of users: what they are counted by."""

from __future__ import annotations

from typing import Any

import torch

from recbole_cl.data.rows import RowSet
from recbole_cl.evaluation import groups


def counted(monkeypatch: Any, items: list[int], user_start: list[int], user: list[int], end: list[int]) -> list[int]:
    flat, start, users, ends = (torch.tensor(it) for it in (items, user_start, user, end))
    rows = RowSet(flat, start, users, start[ends], ends, width=8)
    monkeypatch.setattr(groups, "rows_of", lambda _: rows)
    train: Any = type("Train", (), {"item_num": 6})
    return groups.item_counts(train).tolist()


def test_a_first_item_counts_once_also_where_each_row_lists_its_items(monkeypatch: Any) -> None:
    # user 1: items 1, 2, 3; user 2: items 1, 4
    whole = counted(monkeypatch, [1, 2, 3, 1, 4], [0, 0, 0, 3, 3], [1, 1, 2], [1, 2, 4])
    lists = counted(monkeypatch, [1, 2, 1, 2, 3, 1, 4], [0, 0, 2, 2, 2, 5, 5], [1, 1, 2], [1, 4, 6])
    assert whole == lists == [0, 2, 1, 1, 1, 0]
