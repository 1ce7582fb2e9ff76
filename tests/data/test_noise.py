"""Random items in test rows."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from recbole_cl.data.noise import with_noise
from recbole_cl.data.rows import RowSet
from recbole_cl.errors import UsageError
from tests.evaluation.rows import rows_of_users

N_ITEMS = 30


def whole(rows: RowSet) -> list[list[int]]:
    """Each row's user from the first item to the target."""
    first = rows.user_start[rows.end]
    return [rows.items[a : b + 1].tolist() for a, b in zip(first.tolist(), rows.end.tolist(), strict=True)]


def histories(n: int, length: int | None = None) -> list[list[int]]:
    generator = np.random.default_rng(0)
    return [list(generator.integers(1, N_ITEMS - 10, length or generator.integers(2, 15))) for _ in range(n)]


def test_unknown_items_are_put_before_the_target_and_all_else_stays() -> None:
    users = histories(60)
    rows = rows_of_users(users, width=6)
    noisy = with_noise(rows, 0.5, N_ITEMS, seed=1)
    assert torch.equal(noisy.user, rows.user) and torch.equal(noisy.target, rows.target)
    for old, new in zip(users, whole(noisy), strict=True):
        added = [item for item in new if item not in old]
        assert [item for item in new if item in old] == old and new[-1] == old[-1]
        assert (1 if len(old) > 1 else 0) <= len(added) <= len(old) // 2 and all(1 <= it < N_ITEMS for it in added)
    assert (noisy.end - noisy.start).max() == 6
    assert torch.equal(noisy.start, torch.maximum(noisy.user_start[noisy.end], noisy.end - 6))


def test_places_are_drawn_with_replacement_and_items_uniformly() -> None:
    users = histories(4000, length=4)
    before = np.zeros(4)
    items = np.zeros(N_ITEMS)
    for old, new in zip(users, whole(with_noise(rows_of_users(users, 9), 0.5, N_ITEMS, seed=3)), strict=True):
        place = 0
        for item in new:
            if item in old:
                place += 1
            else:
                before[place] += 1
                items[item] += 1
    # Two draws of four places hit each one with 1 - (3/4)^2.
    assert before / len(users) == pytest.approx(np.full(4, 7 / 16), abs=0.03)
    never = items[N_ITEMS - 10 :]  # in no history
    assert items[0] == 0 and never / never.mean() == pytest.approx(np.ones(10), abs=0.15)


def test_the_seed_decides_and_short_rows_may_stay_as_they_are() -> None:
    rows = rows_of_users(histories(20), width=6)
    one, same, other = (with_noise(rows, 0.4, N_ITEMS, seed).items.tolist() for seed in (1, 1, 2))
    assert one == same != other
    assert whole(with_noise(rows, 0.05, N_ITEMS, 1)) == whole(rows)


def test_a_user_of_all_items_is_refused() -> None:
    with pytest.raises(UsageError, match="a user has all items"):
        with_noise(rows_of_users([[1, 2, 3]], 5), 0.5, 4, seed=1)
