"""Rows of the sequence form: every target once, windows within the cap, long users cut without loss."""

from __future__ import annotations

import pytest
import torch

from recbole_cl.data.rows import RowSet, require_rows, sequence_rows
from recbole_cl.errors import UsageError


def prefixes(lengths: list[int], width: int) -> RowSet:
    """Training rows of users with the given numbers of training items, two held-out items behind each."""
    items: list[int] = []
    user_start, user, start, end = [], [], [], []
    for number, n in enumerate(lengths, start=1):
        first = len(items)
        items += [100 * number + i for i in range(n + 2)]
        user_start += [first] * (n + 2)
        for target in range(first + 1, first + n):
            user.append(number)
            start.append(max(first, target - width))
            end.append(target)
    return RowSet(
        torch.tensor(items), torch.tensor(user_start), torch.tensor(user), torch.tensor(start), torch.tensor(end), width
    )


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


def test_rows_taken_by_number_are_their_windows_and_their_targets_follow() -> None:
    rows = prefixes([4, 2], width=2)  # items 100 .. 105, of which two are held out, then 200 .. 203
    assert rows.start.tolist() == [0, 0, 1, 6] and rows.end.tolist() == [1, 2, 3, 7]
    taken = rows.take(torch.tensor([2, 3, 1]))
    assert taken.item_seq.tolist() == [[101, 102], [200, 0], [100, 101]] and taken.seq_len.tolist() == [2, 1, 2]
    assert rows.target.tolist() == [101, 102, 103, 201] and len(rows) == 4


def test_no_rows_are_refused() -> None:
    empty = torch.zeros(0, dtype=torch.long)
    with pytest.raises(UsageError, match="no training rows"):
        require_rows(RowSet(empty, empty, empty, empty, empty, 5), "training")
