"""Means over an epoch."""

from __future__ import annotations

import torch

from recbole_cl.model.parts.diagnostics import EpochMeans


def test_means_are_taken_once_and_start_anew() -> None:
    means = EpochMeans(["a", "b"])
    assert means.take() == {}
    means.add(b=torch.tensor(1.0), a=torch.tensor(2.0, dtype=torch.float64, requires_grad=True))
    means.add(a=torch.tensor(4.0), b=torch.tensor(3.0))
    assert not means.state_dict()["sums"].requires_grad
    assert means.take() == {"a": 3.0, "b": 2.0} and means.take() == {}


def test_sums_travel_with_the_checkpoint() -> None:
    means, other = EpochMeans(["a"]), EpochMeans(["a"])
    means.add(a=torch.tensor(2.0))
    other.load_state_dict(means.state_dict())
    assert other.take() == {"a": 2.0}
