"""InfoNCE against a double loop, the authors' numbers and its edge cases."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from recbole_cl.loss.info_nce import info_nce, same_target_mask, similarity_matrix
from recbole_cl.loss.invariance import invariance_loss
from tests.oracles.load import oracle

CASES = [(short, name, tau) for short, name in (("dot", "dot"), ("cos", "cosine")) for tau in (1.0, 0.1)]
TOLERANCE = {torch.float32: 2e-5, torch.float64: 1e-12}


def leaf(value: Tensor) -> Tensor:
    return value.clone().requires_grad_()


def views(batch: int = 5, width: int = 4, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    z = torch.randn(2, batch, width, generator=generator, dtype=torch.float64).to(dtype)
    return leaf(z[0]), leaf(z[1])


def slow_info_nce(z_a: Tensor, z_b: Tensor, tau: float, similarity: str, excluded: Tensor | None) -> Tensor:
    z, batch = [*z_a, *z_b], len(z_a)
    total = torch.zeros((), dtype=z_a.dtype)
    for i, row in enumerate(z):
        partner = (i + batch) % (2 * batch)
        exponentials = {}
        for j, other in enumerate(z):
            if j == i or (j != partner and excluded is not None and excluded[i, j]):
                continue
            score = (row * other).sum()
            if similarity == "cosine":
                score = score / (row.square().sum().sqrt() * other.square().sum().sqrt())
            exponentials[j] = (score / tau).exp()
        total = total - (exponentials[partner] / torch.stack(list(exponentials.values())).sum()).log()
    return total / len(z)


def logits_of(similarity: Tensor, mask: Tensor | None = None) -> Tensor:
    """A matrix of similarities, [2B, 2B], in the authors' layout: the positive first, then the negatives, [2B, 2B - 1].

    A negative that the mask leaves out is -inf.
    """
    masked = similarity if mask is None else similarity.masked_fill(mask, -torch.inf)
    rows, batch = len(similarity), len(similarity) // 2
    layout = []
    for i in range(rows):
        negatives = [masked[i, j] for j in range(rows) if j % batch != i % batch]
        layout.append(torch.stack([similarity[i, (i + batch) % rows], *negatives]))
    return torch.stack(layout)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize(("similarity", "tau"), [("dot", 1.0), ("cosine", 0.5), ("cosine", 0.1)])
def test_equals_a_double_loop(similarity: str, tau: float, dtype: torch.dtype, masked: bool) -> None:
    z_a, z_b = views(dtype=dtype)
    mask = same_target_mask(torch.tensor([3, 5, 3, 7, 5])) if masked else None
    loss, slow = info_nce(z_a, z_b, tau, similarity, mask), slow_info_nce(z_a, z_b, tau, similarity, mask)
    assert loss.dtype == dtype
    torch.testing.assert_close(loss, slow, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])
    for ours, theirs in zip(torch.autograd.grad(loss, (z_a, z_b)), torch.autograd.grad(slow, (z_a, z_b)), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


@pytest.mark.parametrize(("short", "similarity", "tau"), CASES)
def test_duorec_oracle(short: str, similarity: str, tau: float) -> None:
    a1 = oracle("a1_duorec_info_nce")
    z_a, z_b, case = leaf(a1["z_i"]), leaf(a1["z_j"]), f"{short}_tau{tau}::"
    logits, loss = logits_of(similarity_matrix(z_a, z_b, tau, similarity)), info_nce(z_a, z_b, tau, similarity)
    torch.testing.assert_close(logits, a1[case + "logits"], rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(loss, a1[case + "loss"], rtol=1e-10, atol=1e-10)
    grad_a, grad_b = torch.autograd.grad(loss, (z_a, z_b))
    torch.testing.assert_close(grad_a, a1[case + "grad_i"], rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(grad_b, a1[case + "grad_j"], rtol=1e-10, atol=1e-10)


def test_duorec_oracle_partial_batch() -> None:
    a1 = oracle("a1_duorec_info_nce")
    loss = info_nce(a1["z_i"][:4], a1["z_j"][:4])
    torch.testing.assert_close(loss, a1["partial4_dot_tau1::loss"], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("short", "similarity", "tau"), CASES)
def test_same_target_oracle(short: str, similarity: str, tau: float) -> None:
    a2, case = oracle("a2_same_target_mask_DEFINITION"), f"{short}_tau{tau}::"
    z_a, z_b, mask = a2["z_i"], a2["z_j"], same_target_mask(a2["targets"])
    logits = logits_of(similarity_matrix(z_a, z_b, tau, similarity), mask)
    rows = logits.logsumexp(dim=1) - logits[:, 0]
    torch.testing.assert_close(rows, a2[case + "row_losses"], rtol=1e-9, atol=1e-11)
    loss = info_nce(z_a, z_b, tau, similarity, mask)
    torch.testing.assert_close(loss, a2[case + "loss"], rtol=1e-9, atol=1e-11)
    torch.testing.assert_close(info_nce(z_a, z_b, tau, similarity), a2[case + "loss_nomask"], rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("tau", [1.0, 0.5])
def test_coserec_oracle(tau: float) -> None:
    b1, case = oracle("b1_coserec_nce"), f"NCELoss_tau{tau}::"
    x, y = leaf(b1["x"]), leaf(b1["y"])
    loss = info_nce(x, y, tau)
    torch.testing.assert_close(loss, b1[case + "loss"], rtol=1e-10, atol=1e-10)
    for ours, name in zip(torch.autograd.grad(loss, (x, y)), ("grad_x", "grad_y"), strict=True):
        torch.testing.assert_close(ours, b1[case + name], rtol=1e-10, atol=1e-10)


def test_same_target_mask_marks_both_views() -> None:
    expected = torch.tensor([[1, 0, 1, 1, 0, 1], [0, 1, 0, 0, 1, 0], [1, 0, 1, 1, 0, 1]]).bool().repeat(2, 1)
    assert torch.equal(same_target_mask(torch.tensor([4, 2, 4])), expected)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("similarity", ["dot", "cosine"])
def test_one_row_has_no_negative_and_no_loss(similarity: str, masked: bool) -> None:
    z_a, z_b = views(batch=1)
    mask = same_target_mask(torch.tensor([3])) if masked else None
    loss = info_nce(z_a, z_b, 0.1, similarity, mask)
    loss.backward()
    assert loss.item() == 0
    for z in (z_a, z_b):
        assert z.grad is not None and torch.equal(z.grad, torch.zeros_like(z))


def test_batch_of_one_target_keeps_only_positives() -> None:
    z_a, z_b = views()
    loss = info_nce(z_a, z_b, negative_mask=same_target_mask(torch.full((5,), 7)))
    loss.backward()
    assert loss.item() == 0
    assert z_a.grad is not None and torch.equal(z_a.grad, torch.zeros_like(z_a))


def test_inputs_and_mask_are_not_written_to() -> None:
    z_a, z_b = views()
    mask = same_target_mask(torch.tensor([3, 5, 3, 7, 5]))
    before = z_a.detach().clone(), z_b.detach().clone(), mask.clone()
    info_nce(z_a, z_b, 0.5, "dot", mask)
    info_nce(z_a, z_b, 0.5, "cosine")
    assert all(torch.equal(now, then) for now, then in zip((z_a, z_b, mask), before, strict=True))


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("scale", [1, 10, 100])
def test_saturated_rows_keep_their_loss_and_have_no_denormal_gradient(scale: float, masked: bool) -> None:
    z_a, z_b = (leaf(scale * z) for z in views(batch=32, width=32, dtype=torch.float32))
    mask = same_target_mask(torch.arange(32) % 30) if masked else None
    gradients: list[Tensor] = []
    ours = info_nce(z_a, z_b, negative_mask=mask)
    product_of(ours).register_prehook(lambda given: gradients.append(given[0]))
    grad = torch.autograd.grad(0.1 * ours, z_a)[0]
    logits = logits_of(similarity_matrix(z_a, z_b), mask).double()
    plain = F.cross_entropy(logits, torch.zeros(len(logits), dtype=torch.long))
    plain_grad = torch.autograd.grad(0.1 * plain, z_a)[0]
    torch.testing.assert_close(ours.double(), plain, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(grad, plain_grad, rtol=1e-5, atol=1e-5 * scale)
    denormal = (gradients[0] != 0) & (gradients[0].abs() < torch.finfo(torch.float32).tiny)
    assert not denormal.any()


def product_of(loss: Tensor) -> Any:
    """The matrix product of all pairs in the loss's graph."""
    nodes: list[Any] = [loss.grad_fn]
    while (node := nodes.pop()).name() != "MmBackward0":
        nodes += [further for further, _ in node.next_functions if further is not None]
    return node


def test_large_logits_and_zero_vectors_stay_finite() -> None:
    z_a, z_b = leaf(torch.full((3, 4), 100.0)), leaf(torch.zeros(3, 4))
    for similarity in ("dot", "cosine"):
        loss = info_nce(z_a, z_b, 0.05, similarity)
        assert all(torch.isfinite(value).all() for value in (loss, *torch.autograd.grad(loss, (z_a, z_b))))


@pytest.mark.parametrize("loss", [info_nce, invariance_loss])
def test_a_vector_of_length_zero_gets_no_gradient_from_cosines(loss: Callable[..., Tensor]) -> None:
    z_a, z_b = views(dtype=torch.float32)
    z_a.data[0] = 0
    how = {"similarity": "cosine"} if loss is info_nce else {}
    grad_a, grad_b = torch.autograd.grad(loss(z_a, z_b, temperature=0.2, **how), (z_a, z_b))
    assert not grad_a[0].any() and 0 < grad_a[1:].abs().amax() < 10 and 0 < grad_b.abs().amax() < 10


def test_autocast_keeps_float32_similarities() -> None:
    z_a, z_b = views(dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = info_nce(z_a, z_b, 0.05, "cosine")
    assert inside.dtype == torch.float32
    torch.testing.assert_close(inside, info_nce(z_a, z_b, 0.05, "cosine"), rtol=0, atol=0)
    assert similarity_matrix(z_a.bfloat16(), z_b.bfloat16()).dtype == torch.float32


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.nan])
def test_temperature_must_be_positive(temperature: float) -> None:
    with pytest.raises(ValueError, match=f"^temperature is {temperature}; it must be greater than 0$"):
        info_nce(*views(), temperature)


def test_unknown_similarity_is_refused() -> None:
    with pytest.raises(ValueError, match="^similarity is 'euclid'; it must be one of dot, cosine$"):
        info_nce(*views(), similarity="euclid")


def test_shapes_are_checked() -> None:
    z_a, z_b = views()
    with pytest.raises(ValueError, match="the views have shapes"):
        info_nce(z_a, z_b[:4])
    with pytest.raises(ValueError, match=r"negative_mask has shape \(5, 5\); it must be \(10, 10\)"):
        info_nce(z_a, z_b, negative_mask=torch.zeros(5, 5, dtype=torch.bool))
