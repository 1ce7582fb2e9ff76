"""One-directional contrast: the authors' numbers, a double loop, extra negatives and both directions."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from recbole_cl.loss.invariance import invariance_loss
from recbole_cl.model.ecl.windows import mean_of_last
from tests.oracles.load import oracle

EXACT: dict[str, Any] = {"rtol": 1e-10, "atol": 1e-10}


def pooled(states: Tensor, k: int) -> Tensor:
    """The mean of the last k of all columns, as the model takes it."""
    n_rows, width, _ = states.shape
    whole = torch.full((n_rows,), width)
    return mean_of_last(states.flatten(0, 1), whole, torch.arange(n_rows), whole, k)


@pytest.mark.parametrize("tau", [0.05, 1.0])
@pytest.mark.parametrize("k", [1, 3])
def test_means_of_the_last_are_the_authors(k: int, tau: float) -> None:
    d1 = oracle("d1_ecl_icl_loss")
    states = d1["seq_output"].clone().requires_grad_()
    loss = invariance_loss(pooled(states, k), pooled(d1["seq_output_1"], k), tau)
    torch.testing.assert_close(loss, d1[f"avgk_k{k}_tau{tau}::loss"], **EXACT)
    (gradient,) = torch.autograd.grad(loss, states)
    torch.testing.assert_close(gradient, d1[f"avgk_k{k}_tau{tau}::grad"], **EXACT)
    # The authors' other ways of comparing the same states.
    a, b = d1["seq_output"], d1["seq_output_1"]
    torch.testing.assert_close(
        invariance_loss(pooled(a, 7), pooled(b, 7), tau), d1[f"avg_k{k}_tau{tau}::loss"], **EXACT
    )
    each = torch.stack([invariance_loss(a[:, i], b[:, i], tau) for i in range(7)])
    torch.testing.assert_close(each.mean(), d1[f"inter_k{k}_tau{tau}::loss"], **EXACT)
    torch.testing.assert_close(each[-k:].mean(), d1[f"interk_k{k}_tau{tau}::loss"], **EXACT)
    flat = invariance_loss(a[:, -k:].flatten(0, 1), b[:, -k:].flatten(0, 1), tau)
    torch.testing.assert_close(flat, d1[f"all_k{k}_tau{tau}::loss"], **EXACT)


def slow_loss(z: Tensor, z_positive: Tensor, tau: float, extra: Tensor) -> Tensor:
    total = z.new_zeros(())
    for i, row in enumerate(z):
        scores = [torch.dot(row, other) / (row.norm() * other.norm()) / tau for other in [*z_positive, *extra]]
        total = total + torch.logsumexp(torch.stack(scores), 0) - scores[i]
    return total / len(z)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
@pytest.mark.parametrize("n_extra", [0, 3])
@pytest.mark.parametrize("symmetric", [False, True])
def test_equals_a_double_loop(symmetric: bool, n_extra: int, dtype: torch.dtype, tolerance: float) -> None:
    generator = torch.Generator().manual_seed(2)
    z, other, extra = (torch.randn(n, 4, generator=generator, dtype=dtype) for n in (5, 5, n_extra))
    leaves = [z.requires_grad_(), other.requires_grad_(), extra.requires_grad_()]
    loss = invariance_loss(z, other, 0.3, extra if n_extra else None, symmetric)
    slow = slow_loss(z, other, 0.3, extra)
    if symmetric:
        slow = (slow + slow_loss(other, z, 0.3, extra)) / 2
    torch.testing.assert_close(loss, slow, rtol=tolerance, atol=tolerance)
    used = leaves if n_extra else leaves[:2]
    for ours, theirs in zip(torch.autograd.grad(loss, used), torch.autograd.grad(slow, used), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=10 * tolerance, atol=10 * tolerance)


def test_one_row_has_nothing_to_learn() -> None:
    z = torch.ones(1, 4, requires_grad=True)
    loss = invariance_loss(z, torch.full((1, 4), 2.0), 0.05)
    loss.backward()
    assert loss.item() == 0 and z.grad is not None and not z.grad.any()


def test_autocast_leaves_it_exact() -> None:
    z, other = torch.randn(2, 6, 8, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = invariance_loss(z, other, 0.05)
    assert torch.equal(loss, invariance_loss(z, other, 0.05))


@pytest.mark.parametrize(
    ("shape", "tau", "expected"), [((3, 4), 0.0, "temperature is 0.0"), ((2, 4), 1.0, r"shapes \(3, 4\) and \(2, 4\)")]
)
def test_bad_arguments_are_refused(shape: tuple[int, int], tau: float, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        invariance_loss(torch.ones(3, 4), torch.ones(shape), tau)
