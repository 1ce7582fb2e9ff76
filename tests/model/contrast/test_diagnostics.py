"""Means over an epoch."""

from __future__ import annotations

import pytest
import torch

from recbole_cl.loss.geometry import alignment, uniformity
from recbole_cl.model.contrast.diagnostics import EpochMeans, PairDiagnostics, ViewGeometry


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


def test_negatives_are_measured_in_one_of_so_many_comparisons_and_in_the_first_of_an_epoch() -> None:
    views = torch.randn(7, 2, 5, 4, generator=torch.Generator().manual_seed(0))
    diagnostics = PairDiagnostics(every=3)
    for _ in range(2):
        diagnostics.look_at(views[0, 0, :1], views[0, 1, :1])  # no negatives
        for z_a, z_b in views:
            diagnostics.look_at(z_a.requires_grad_(), z_b)
        figures = diagnostics.take()
        curves = []
        for z in (torch.cat((*views[i],)) for i in (0, 3, 6)):
            cosines = torch.cosine_similarity(z[:, None], z[None], dim=-1)
            curves.append([cosines[i, j].item() for i in range(10) for j in range(i) if i % 5 != j % 5])
        for name, share in (("negatives/0.000", 0), ("negatives/0.500", 0.5), ("negatives/1.000", 1)):
            expected = sum(torch.tensor(its).quantile(share).item() for its in curves) / 3
            assert figures[name] == pytest.approx(expected, abs=1e-5)
        as_is = sum(alignment(views[i, 0], views[i, 1], "as_is").item() for i in (0, 3, 6)) / 3
        assert figures["alignment_as_is"] == pytest.approx(as_is, abs=1e-5)
    assert not diagnostics.state_dict() and not diagnostics.sums.requires_grad


def test_of_a_large_batch_some_rows_are_looked_at() -> None:
    z_a, z_b = torch.randn(2, 640, 4, generator=torch.Generator().manual_seed(0))
    diagnostics = PairDiagnostics(every=1)
    diagnostics.look_at(z_a, z_b)
    expected = uniformity(z_a[::10], "as_is").item()
    assert diagnostics.take()["uniformity_as_is"] == pytest.approx(expected, abs=1e-5)
