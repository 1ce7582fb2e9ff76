"""Recommendation losses against double loops, and BCE against CoSeRec's number."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from recbole_cl.loss.recommendation import bce, bpr, cross_entropy, sampled_softmax
from tests.oracles.load import oracle

TOLERANCE = {torch.float32: 2e-5, torch.float64: 1e-12}
TARGET = torch.tensor([1, 8, 3, 8, 5, 2])
NEGATIVE = torch.tensor([4, 2, 8, 1, 7, 3])
SHARED = torch.tensor([3, 6, 3, 1, 7])
LOG_Q = torch.linspace(-3, -1, 9, dtype=torch.float64)

pytestmark = pytest.mark.parametrize("dtype", TOLERANCE)


def states(dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    hidden = torch.randn(6, 4, generator=generator, dtype=torch.float64).to(dtype)
    table = torch.randn(9, 4, generator=generator, dtype=torch.float64).to(dtype)
    return hidden.requires_grad_(), table.requires_grad_()


def check(ours: Tensor, slow: Tensor, hidden: Tensor, table: Tensor) -> None:
    tolerance = TOLERANCE[hidden.dtype]
    assert ours.dtype == hidden.dtype
    torch.testing.assert_close(ours, slow, rtol=tolerance, atol=tolerance)
    gradients, slow_gradients = (torch.autograd.grad(loss, (hidden, table)) for loss in (ours, slow))
    for gradient, slow_gradient in zip(gradients, slow_gradients, strict=True):
        torch.testing.assert_close(gradient, slow_gradient, rtol=tolerance, atol=tolerance)


def slow_mean(hidden: Tensor, table: Tensor, form: str) -> Tensor:
    rows = []
    for h, i, j in zip(hidden, TARGET, NEGATIVE, strict=True):
        positive, negative = (h * table[i]).sum(), (h * table[j]).sum()
        if form == "bpr":
            rows.append(-torch.sigmoid(positive - negative).log())
        else:
            rows.append(-(positive.sigmoid() + 1e-24).log() - (1 - negative.sigmoid() + 1e-24).log())
    return torch.stack(rows).mean()


def test_cross_entropy_equals_a_double_loop(dtype: torch.dtype) -> None:
    hidden, table = states(dtype)
    rows = []
    for h, i in zip(hidden, TARGET, strict=True):
        scores = torch.stack([(h * item).sum().exp() for item in table])
        rows.append(-(scores[i] / scores.sum()).log())
    check(cross_entropy(hidden, table, TARGET), torch.stack(rows).mean(), hidden, table)


def test_sampled_softmax_equals_a_double_loop(dtype: torch.dtype) -> None:
    hidden, table = states(dtype)
    log_q = LOG_Q.to(dtype)
    rows = []
    for h, i in zip(hidden, TARGET, strict=True):
        candidates = [i, *(j for j in SHARED if j != i)]
        scores = torch.stack([((h * table[j]).sum() - log_q[j]).exp() for j in candidates])
        rows.append(-(scores[0] / scores.sum()).log())
    ours = sampled_softmax(hidden, table, TARGET, SHARED, log_q[TARGET], log_q[SHARED])
    check(ours, torch.stack(rows).mean(), hidden, table)


def test_sampled_softmax_over_all_items_is_cross_entropy(dtype: torch.dtype) -> None:
    hidden, table = states(dtype)
    everything, even = torch.arange(9), torch.zeros(9, dtype=dtype)
    ours = sampled_softmax(hidden, table, TARGET, everything, even[TARGET], even)
    check(ours, cross_entropy(hidden, table, TARGET), hidden, table)


def test_sampled_softmax_without_a_true_negative_is_zero(dtype: torch.dtype) -> None:
    hidden, table = states(dtype)
    zero = torch.zeros(6, dtype=dtype)
    loss = sampled_softmax(hidden, table, torch.full((6,), 3), torch.tensor([3, 3]), zero, zero[:2])
    assert loss.item() == 0
    assert all(torch.equal(g, torch.zeros_like(g)) for g in torch.autograd.grad(loss, (hidden, table)))


@pytest.mark.parametrize("form", ["bpr", "bce"])
def test_pairwise_losses_equal_a_loop(form: str, dtype: torch.dtype) -> None:
    hidden, table = states(dtype)
    ours = {"bpr": bpr, "bce": bce}[form](hidden, table, TARGET, NEGATIVE)
    check(ours, slow_mean(hidden, table, form), hidden, table)


def test_pairwise_losses_survive_saturation(dtype: torch.dtype) -> None:
    hidden = torch.ones(1, 1, dtype=dtype, requires_grad=True)
    table = torch.tensor([[-200.0], [200.0], [-30.0], [30.0]], dtype=dtype, requires_grad=True)
    wrong, right = torch.tensor([0]), torch.tensor([1])
    assert bpr(hidden, table, wrong, right).item() == pytest.approx(400)
    capped = bce(hidden, table, wrong, right)
    assert capped.item() == pytest.approx(-2 * np.log(1e-24))
    assert all(torch.isfinite(g).all() for g in torch.autograd.grad(capped, (hidden, table)))
    # Beyond float32's 1 - sigmoid(x) = 0 and short of the epsilon the slope is still one.
    slope = torch.autograd.grad(bce(hidden, table, torch.tensor([2]), torch.tensor([3])), table)[0]
    torch.testing.assert_close(slope[2:].flatten(), torch.tensor([-1.0, 1.0], dtype=dtype), rtol=1e-6, atol=1e-6)


def test_bce_coserec_oracle(dtype: torch.dtype) -> None:
    b4, b5 = oracle("b4_coserec_sasrec_encoder_eval"), oracle("b5_coserec_losses_eval")
    output, table = b4["output"].to(dtype), b4["w::item_embeddings.weight"].to(dtype)
    target, negative, expected = b5["pos"], b5["neg"], float(b5["rec_loss"])
    real = target > 0
    loss = bce(output[real], table, target[real], negative[real]).item()
    assert loss == pytest.approx(expected, abs=1e-10 if dtype == torch.float64 else 1e-5)
