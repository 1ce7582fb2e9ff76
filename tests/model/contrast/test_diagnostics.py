"""Means over an epoch."""

from __future__ import annotations

import pytest
import torch

from recbole_cl.loss.geometry import alignment, uniformity
from recbole_cl.model.contrast.diagnostics import EpochMeans, ViewGeometry


def test_means_are_taken_once_and_start_anew() -> None:
    means = EpochMeans(["a", "b"])
    assert means.take() == {}
    means.add(1, b=torch.tensor(1.0), a=torch.tensor(2.0, dtype=torch.float64, requires_grad=True))
    means.add(3, a=torch.tensor(4.0), b=torch.tensor(3.0))
    assert not means.sums.requires_grad
    assert means.take() == {"a": 3.5, "b": 2.5} and means.take() == {}


def test_sums_are_in_no_checkpoint() -> None:
    assert EpochMeans(["a"]).state_dict() == {}


def test_geometry_is_the_mean_over_rows_and_leaves_out_single_ones() -> None:
    views = torch.randn(2, 7, 3, generator=torch.Generator().manual_seed(0))
    pairs = [views[:, :5], views[:, 5:]]
    geometry = ViewGeometry()
    for z_a, z_b in pairs:
        geometry.look_at(z_a.bfloat16().requires_grad_(), z_b.bfloat16())
        geometry.look_at(z_a[:1], z_b[:1])
    rounded = views.bfloat16().float()
    expected = {
        "alignment": alignment(*rounded).item(),
        "uniformity": (5 * uniformity(rounded[0, :5]).item() + 2 * uniformity(rounded[0, 5:]).item()) / 7,
    }
    assert geometry.take() == pytest.approx(expected, abs=1e-5)
