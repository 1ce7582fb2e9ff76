"""Pooling: one vector per row, from outputs at the right places."""

from __future__ import annotations

import pytest
import torch

from recbole_cl.batch import Rows
from recbole_cl.errors import UsageError
from recbole_cl.model.contrast.pooling import POOLINGS, pool, pooled_pair, refuse_pooling, rows_to_pool

VIEW = Rows(torch.tensor([[3, 0, 5, 7], [2, 0, 0, 0], [0, 4, 0, 0]]), torch.tensor([4, 1, 2]))


def test_the_mean_is_over_items_and_not_over_holes() -> None:
    rows = rows_to_pool(VIEW, "mean", holes=True)
    hidden = torch.arange(14.0).view(7, 2)  # rows of 4, 1 and 2 places
    expected = torch.stack([hidden[[0, 2, 3]].mean(0), hidden[4], hidden[6]])
    torch.testing.assert_close(pool(hidden, rows, "mean"), expected)


def test_the_mean_of_columns_counts_padding_and_holes() -> None:
    rows = rows_to_pool(VIEW, "column_mean", holes=True)
    hidden = torch.arange(24.0).view(12, 2)
    assert rows.wanted == "columns"
    torch.testing.assert_close(pool(hidden, rows, "column_mean"), hidden.view(3, 4, 2).mean(1))


@pytest.mark.parametrize(("pooling", "shape"), [("concat", (3, 8)), ("last", (3, 2))])
def test_the_others_take_what_the_encoder_gives(pooling: str, shape: tuple[int, int]) -> None:
    rows = rows_to_pool(VIEW, pooling)
    assert rows.wanted == {"concat": "columns", "last": "last"}[pooling]
    hidden = torch.arange(float(shape[0] * shape[1])).view(-1, 2)
    assert torch.equal(pool(hidden, rows, pooling), hidden.view(shape))


@pytest.mark.parametrize("pooling", POOLINGS)
def test_a_pair_is_pooled_like_each_of_its_views(pooling: str) -> None:
    views = [
        rows_to_pool(VIEW, pooling, holes=True),
        rows_to_pool(Rows(VIEW.item_seq.flip(0), VIEW.seq_len.flip(0)), pooling),
    ]
    n_outputs = {"concat": 12, "column_mean": 12, "last": 3, "mean": 7}[pooling]
    encoded = list(torch.randn(2, n_outputs, 2))
    anchors = Rows(VIEW.item_seq + 1, torch.full((3,), 4), "items")
    pair = pooled_pair(encoded, views, anchors, pooling)
    assert torch.equal(pair.z_a, pool(encoded[0], views[0], pooling))
    assert torch.equal(pair.z_b, pool(encoded[1], views[1], pooling)) and pair.rows_b is views[1]
    assert torch.equal(pair.represent(encoded[0], views[0]), pair.z_a)
    assert pair.whole.item_seq is anchors.item_seq and pair.whole.wanted == views[1].wanted and not pair.whole.holes


def test_columns_are_compared_only_where_padding_stands_before_the_items() -> None:
    for pooling in ("concat", "column_mean"):
        with pytest.raises(UsageError, match=f"pooling = {pooling}: .* set right_aligned to True"):
            refuse_pooling(pooling, right_aligned=False)
    for pooling in POOLINGS:
        refuse_pooling(pooling, right_aligned=True)
    refuse_pooling("mean", right_aligned=False)
