"""Clusters of training rows: which are encoded, how they go on from epoch to epoch, and what is nearest."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from recbole_cl.batch import Rows
from recbole_cl.errors import UsageError
from recbole_cl.model.intents import Intents, IntentSettings


class Numbered:
    """Rows that hold their own number."""

    def __init__(self, n_rows: int) -> None:
        self.target = self.user = torch.ones(n_rows, dtype=torch.int64)

    def take(self, row: Tensor) -> Rows:
        return Rows(row.unsqueeze(1), torch.ones_like(row))


def intents(n_rows: int | None, **settings: Any) -> Intents:
    values = {"n_intents": 4, "warm_start": True, "cluster_iterations": 3, "cluster_restarts": 1}
    options = IntentSettings(**(values | {"max_rows_per_intent": 1000} | settings))
    return Intents(options, 2, None if n_rows is None else Numbered(n_rows), seed=3)


def on_a_line(rows: Rows) -> Tensor:
    return rows.item_seq.float().expand(-1, 2)


def test_every_row_is_encoded_once_and_without_gradient() -> None:
    seen: list[Tensor] = []
    model = nn.Dropout()

    def represent(rows: Rows) -> Tensor:
        assert not model.training and not torch.is_grad_enabled()
        seen.append(rows.item_seq[:, 0])
        return on_a_line(rows)

    part = intents(1300)
    part.refit(0, model, represent)
    assert torch.equal(torch.cat(seen), torch.arange(1300)) and max(len(block) for block in seen) <= 512
    assert model.training and part.fitted
    assert part.centroids[:, 0].sort().values.diff().min() > 50  # spread over the line


def test_too_many_rows_are_sampled_by_the_seed_and_the_epoch() -> None:
    drawn: list[Tensor] = []

    def represent(rows: Rows) -> Tensor:
        drawn.append(rows.item_seq[:, 0])
        return on_a_line(rows)

    for epoch in (0, 0, 1):
        intents(100, max_rows_per_intent=5).refit(epoch, nn.Identity(), represent)
        assert len(drawn[-1].unique()) == 20
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])


@pytest.mark.parametrize("warm", [True, False])
def test_a_checkpoint_holds_where_a_warm_start_goes_on(warm: bool) -> None:
    whole, resumed = (intents(200, warm_start=warm) for _ in range(2))
    whole.refit(0, nn.Identity(), on_a_line)
    resumed.load_state_dict(whole.state_dict())
    assert resumed.fitted
    cold = intents(200)
    for part in (whole, resumed, cold):
        part.refit(1, nn.Identity(), on_a_line)
    assert torch.equal(whole.centroids, resumed.centroids)
    assert torch.equal(whole.centroids, cold.centroids) != warm


def test_nearest_is_by_distance_and_what_is_given_has_length_one() -> None:
    part = intents(None)
    part.centroids.copy_(torch.tensor([[0.1, 0.1], [10.0, 0.0], [0.0, 3.0], [-1.0, 0.0]]))
    query = torch.tensor([[1.0, 0.4], [0.2, 2.0], [-0.7, 0.0]], requires_grad=True)
    cluster, centroid = part(query)
    assert cluster.tolist() == [0, 2, 3] and not centroid.requires_grad
    torch.testing.assert_close(centroid, torch.tensor([[0.5**0.5] * 2, [0.0, 1.0], [-1.0, 0.0]]))


def test_fewer_rows_than_intents_are_an_intent_each() -> None:
    part = intents(3)
    part.refit(0, nn.Identity(), on_a_line)
    assert sorted(part.centroids[:, 0].tolist()) == [0.0, 1.0, 2.0] and part.figures() == {}


def test_a_model_without_rows_can_cluster_nothing() -> None:
    with pytest.raises(UsageError, match="built on no training rows"):
        intents(None).refit(0, nn.Identity(), on_a_line)
