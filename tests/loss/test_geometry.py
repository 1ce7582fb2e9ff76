"""Alignment and uniformity against double loops."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from recbole_cl.loss.geometry import alignment, uniformity
from tests.oracles.load import oracle

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-12}


def views(dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(2)
    z = torch.randn(2, 6, 4, generator=generator, dtype=torch.float64).to(dtype)
    return z[0].requires_grad_(), z[1].requires_grad_()


def distance(x: Tensor, y: Tensor) -> Tensor:
    return (x / x.square().sum().sqrt() - y / y.square().sum().sqrt()).square().sum()


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_equal_double_loops(dtype: torch.dtype) -> None:
    z_a, z_b = views(dtype)
    slow_alignment = torch.stack([distance(x, y) for x, y in zip(z_a, z_b, strict=True)]).mean()
    potentials = [(-2 * distance(z_a[i], z_a[j])).exp() for i in range(6) for j in range(6) if i != j]
    pairs = [(alignment(z_a, z_b), slow_alignment), (uniformity(z_a), torch.stack(potentials).mean().log())]
    for ours, slow in pairs:
        assert ours.dtype == dtype
        torch.testing.assert_close(ours, slow, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])
        gradient, slow_gradient = (torch.autograd.grad(value, z_a)[0] for value in (ours, slow))
        torch.testing.assert_close(gradient, slow_gradient, rtol=10 * TOLERANCE[dtype], atol=TOLERANCE[dtype])


def test_lengths_do_not_matter_and_bounds_are_known() -> None:
    x = torch.eye(3, dtype=torch.float64)
    assert alignment(x, 5 * x).item() == pytest.approx(0, abs=1e-12)
    assert alignment(x, -2 * x).item() == pytest.approx(4)
    assert uniformity(torch.ones(4, 3)).item() == pytest.approx(0, abs=1e-6)
    assert uniformity(torch.tensor([[3.0, 0], [-0.5, 0]])).item() == pytest.approx(-8)


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="needs at least 2 rows to form a pair; got 1"):
        uniformity(torch.eye(3)[:1])


def test_vectors_as_they_are_give_the_figures_of_duorecs_code() -> None:
    a1 = oracle("a1_duorec_info_nce")
    assert alignment(a1["z_i"], a1["z_j"], "as_is").item() == pytest.approx(a1["decompose_alignment"].item(), rel=1e-5)
    assert uniformity(a1["z_i"], "as_is").item() == pytest.approx(a1["decompose_uniformity"].item(), rel=1e-5)
    with pytest.raises(ValueError, match="form is 'raw'; it must be one of unit, as_is"):
        alignment(a1["z_i"], a1["z_j"], "raw")
