"""Rows of the sequence form: every target once, windows within the cap, long users cut without loss."""

from __future__ import annotations

import pytest
import torch

from recbole_cl.data.dataset import window
from recbole_cl.data.rows import RowSet, require_rows, sequence_rows
from recbole_cl.errors import UsageError


def prefixes(lengths: list[int], width: int) -> RowSet:
    """Training rows of users with the given numbers of training items, two held-out items behind each."""
    items, user_start, user, start, end = [], [], [], [], []
    for number, n in enumerate(lengths, start=1):
        first = len(items)
        items += [100 * number + i for i in range(n + 2)]
        user_start += [first] * (n + 2)
        for target in range(first + 1, first + n):
            user.append(number)
            start.append(max(first, target - width))
            end.append(target)
    return RowSet(*map(torch.tensor, (items, user_start, user, start, end)), width)


@pytest.mark.parametrize("lengths", [[2, 5, 3], [2000, 3], [51, 50, 52, 101], [2]])
def test_sequence_rows_hold_every_target_once(lengths: list[int]) -> None:
    rows = prefixes(lengths, 50)
    whole = sequence_rows(rows)
    targets = torch.cat([rows.items[s + 1 : e + 1] for s, e in zip(whole.start, whole.end, strict=True)])
    assert sorted(targets.tolist()) == sorted(rows.items[rows.end].tolist())
    assert int((whole.end - whole.start).max()) <= 50 and int((whole.end - whole.start).min()) >= 1
    assert torch.equal(whole.user_start[whole.start], whole.user_start[whole.end])
    assert torch.equal(whole.user, rows.user[torch.searchsorted(rows.end, whole.end)])


def test_users_under_the_cap_have_one_row_from_their_first_item() -> None:
    whole = sequence_rows(prefixes([2, 5, 3], 50))
    assert whole.user.tolist() == [1, 2, 3]
    assert torch.equal(whole.start, whole.user_start[whole.start])


def test_window_pads_on_the_right_and_keeps_order() -> None:
    values = torch.arange(10, 20)
    rows = window(values, torch.tensor([0, 7, 9]), torch.tensor([3, 10, 10]), 4)
    assert rows.tolist() == [[10, 11, 12, 0], [17, 18, 19, 0], [19, 0, 0, 0]]


def test_no_rows_are_refused() -> None:
    empty = torch.zeros(0, dtype=torch.long)
    with pytest.raises(UsageError, match="no training rows"):
        require_rows(RowSet(empty, empty, empty, empty, empty, 5), "training")
