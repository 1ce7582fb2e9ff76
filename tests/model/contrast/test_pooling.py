"""Pooling: one vector per row, from outputs at the right places."""

from __future__ import annotations

import pytest
import torch

from recbole_cl.batch import Rows
from recbole_cl.model.contrast.pooling import pool, rows_to_pool

VIEW = Rows(torch.tensor([[3, 0, 5, 7], [2, 0, 0, 0], [0, 4, 0, 0]]), torch.tensor([4, 1, 2]))


def test_the_mean_is_over_items_and_not_over_holes() -> None:
    rows = rows_to_pool(VIEW, "mean", holes=True)
    hidden = torch.arange(14.0).view(7, 2)  # rows of 4, 1 and 2 places
    expected = torch.stack([hidden[[0, 2, 3]].mean(0), hidden[4], hidden[6]])
    torch.testing.assert_close(pool(hidden, rows, "mean"), expected)


@pytest.mark.parametrize(("pooling", "shape"), [("concat", (3, 8)), ("last", (3, 2))])
def test_the_others_take_what_the_encoder_gives(pooling: str, shape: tuple[int, int]) -> None:
    rows = rows_to_pool(VIEW, pooling)
    assert rows.padding == (pooling == "concat") and not rows.every_position
    hidden = torch.arange(float(shape[0] * shape[1])).view(-1, 2)
    assert torch.equal(pool(hidden, rows, pooling), hidden.view(shape))
