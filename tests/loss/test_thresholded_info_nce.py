"""InfoNCE with a threshold against a double loop, the authors' numbers and its edge cases."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from recbole_cl.loss.false_negatives import is_negative, row_statistic
from recbole_cl.loss.info_nce import info_nce, similarity_matrix
from recbole_cl.loss.thresholded_info_nce import COMPARISONS, OBJECTIVES, thresholded_info_nce
from tests.oracles.load import oracle

TOLERANCE = {torch.float32: 2e-5, torch.float64: 1e-11}
EVERY_OBJECTIVE = pytest.mark.parametrize("objective", OBJECTIVES)
EVERY_COMPARISON = pytest.mark.parametrize("comparison", COMPARISONS)
NONE_OR_ALL = pytest.mark.parametrize("threshold", [torch.inf, 1.05, -1.05])


def views(batch: int = 5, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    z = torch.randn(2, batch, 3, generator=torch.Generator().manual_seed(4), dtype=torch.float64).to(dtype)
    return z[0].requires_grad_(), z[1].requires_grad_()


def cosines(z_a: Tensor, z_b: Tensor) -> Tensor:
    return similarity_matrix(z_a, z_b, similarity="cosine")


def slow_loss(
    similarity: Tensor, threshold: Tensor, objective: str, temperature: float, comparison: str, width: float
) -> Tensor:
    """The docstring's formulas, one row and one negative at a time; "hard" and "sigmoid" only."""
    rows, batch = len(similarity), len(similarity) // 2
    total = torch.zeros((), dtype=similarity.dtype)
    for i in range(rows):
        s, positive = similarity[i] / temperature, (i + batch) % rows
        above = {}
        for j in set(range(rows)) - {i, positive}:
            difference = similarity[i, j].detach() - threshold[i]
            above[j] = torch.sigmoid(difference / width) if comparison == "sigmoid" else (difference > 0).double()
        if objective == "soft_labels":
            kept = {j: torch.ones(()) for j in above}
        else:
            kept = {j: m if objective == "exclude_below" else 1 - m for j, m in above.items()}
        normaliser = (s[positive].exp() + sum(kept[j] * s[j].exp() for j in above)).log()
        own = normaliser - s[positive]
        count = torch.stack([*above.values()]).sum().clamp(min=1)
        if objective.startswith("exclude"):
            total = total + own
        elif objective == "extra_positives":
            more = sum(m * (normaliser - s[j] + math.log(2) + count.log()) for j, m in above.items())
            total = total + own + math.log(2) + more
        else:
            shared = min(1.0, sum(above.values())) / 2 if comparison == "sigmoid" else 0.5
            total = total + (1 - shared) * own + sum(m / count * (normaliser - s[j]) for j, m in above.items()) / 2
    return total / rows


@EVERY_OBJECTIVE
@pytest.mark.parametrize("comparison", ["hard", "sigmoid"])
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("temperature", [1.0, 0.2])
def test_equals_a_double_loop(objective: str, comparison: str, dtype: torch.dtype, temperature: float) -> None:
    z = views(dtype=dtype)
    threshold = torch.linspace(-0.8, 0.9, 10, dtype=dtype, requires_grad=comparison == "sigmoid")
    arguments = threshold, objective, temperature, comparison, 0.3
    loss, slow = thresholded_info_nce(cosines(*z), *arguments), slow_loss(cosines(*z), *arguments)
    assert loss.dtype == dtype
    wanted = (*z, threshold) if comparison == "sigmoid" else z
    gradients = torch.autograd.grad(loss, wanted), torch.autograd.grad(slow.to(dtype), wanted)
    for ours, theirs in ((loss, slow.to(dtype)), *zip(*gradients, strict=True)):
        torch.testing.assert_close(ours, theirs, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


@pytest.mark.parametrize(("objective", "name"), [("soft_labels", "kpos"), ("exclude_above", "kneg")])
def test_oracle(objective: str, name: str) -> None:
    f1 = oracle("f1_adaptiverec_info_nce")
    z_a, z_b = f1["z_i"].requires_grad_(), f1["z_j"].requires_grad_()
    loss = thresholded_info_nce(cosines(z_a, z_b), f1["k_learn"].repeat(2), objective)
    torch.testing.assert_close(loss, f1[f"{name}::loss"], rtol=1e-10, atol=1e-10)
    for ours, view in zip(torch.autograd.grad(loss, (z_a, z_b)), ("i", "j"), strict=True):
        if f"{name}::grad_{view}" in f1:
            torch.testing.assert_close(ours, f1[f"{name}::grad_{view}"], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("objective", "name"), [("exclude_above", "lower"), ("exclude_below", "upper")])
def test_oracle_of_row_percentiles(objective: str, name: str) -> None:
    f1 = oracle("f1_adaptiverec_info_nce")
    similarity = cosines(f1["z_i"], f1["z_j"])
    loss = thresholded_info_nce(similarity, row_statistic(similarity, "percentile", 0.5), objective)
    torch.testing.assert_close(loss, f1[f"kstat_{name}_k0.5::loss"], rtol=1e-10, atol=1e-10)


def test_soft_labels_of_the_oracle() -> None:
    """The gradient by the logits is softmax, as often as the labels say, less the labels: so it tells the labels."""
    f1 = oracle("f1_adaptiverec_info_nce")
    similarity = cosines(f1["z_i"], f1["z_j"]).requires_grad_()
    loss = 12 * thresholded_info_nce(similarity, f1["k_learn"].repeat(2), "soft_labels")
    (gradient,) = torch.autograd.grad(loss, similarity)
    own = torch.eye(12, dtype=torch.bool)
    above = f1["kpos::labels"][:, 1:].sum(1) > 0
    softmax = similarity.detach().masked_fill(own, -torch.inf).softmax(1)
    labels = softmax * torch.where(above, 1.0, 0.5).unsqueeze(1) - gradient
    place = torch.arange(12).remainder(6)
    negatives = labels[place.unsqueeze(1) != place].view(12, 10)
    positives = torch.cat((labels.diagonal(6), labels.diagonal(-6))).unsqueeze(1)
    torch.testing.assert_close(torch.cat((positives, negatives), dim=1), f1["kpos::labels"], rtol=0, atol=1e-10)


def test_a_hard_comparison_gives_the_threshold_no_gradient() -> None:
    threshold = torch.full((10,), 0.1, dtype=torch.float64, requires_grad=True)
    loss = thresholded_info_nce(cosines(*views()), threshold)
    assert torch.autograd.grad(loss, threshold, allow_unused=True) == (None,)


@EVERY_OBJECTIVE
def test_straight_through_has_the_value_of_hard_where_some_are_above(objective: str) -> None:
    similarity = cosines(*views())
    most = similarity.masked_fill(~is_negative(similarity), -1).amax(1)
    threshold = torch.linspace(-0.8, 0.9, 10, dtype=torch.float64).minimum(most - 0.01).requires_grad_()
    hard = thresholded_info_nce(similarity, threshold, objective, 0.5)
    through = thresholded_info_nce(similarity, threshold, objective, 0.5, "straight_through")
    torch.testing.assert_close(through, hard, rtol=1e-12, atol=0)


@pytest.mark.parametrize("objective", ["soft_labels", "weighted_positives"])
def test_with_a_gradient_the_positive_takes_what_is_not_shared(objective: str) -> None:
    """A threshold that sets nobody apart must not gain by it: authors' labels would then sum to 1/2."""
    z, threshold = views(), torch.full((10,), 1.05, dtype=torch.float64, requires_grad=True)
    through = thresholded_info_nce(cosines(*z), threshold, objective, comparison="straight_through")
    torch.testing.assert_close(through, info_nce(*z, similarity="cosine"))
    sharp = thresholded_info_nce(cosines(*z), threshold, objective, comparison="sigmoid", width=1e-3)
    torch.testing.assert_close(sharp, through)


def test_straight_through_has_the_gradient_of_sigmoid() -> None:
    """By Eq. 8 for one row: leaving out a share m_j changes the loss by -exp(s_j) / sum of what is left."""
    similarity, width = cosines(*views()), 0.3
    threshold = torch.full((10,), 0.1, dtype=torch.float64, requires_grad=True)
    loss = thresholded_info_nce(similarity, threshold, "exclude_above", 1.0, "straight_through", width)
    (gradient,) = torch.autograd.grad(loss, threshold)
    for i, (row, k) in enumerate(zip(similarity.detach(), threshold.detach(), strict=True)):
        negatives = [j for j in range(10) if j % 5 != i % 5]
        left = row[(i + 5) % 10].exp() + sum(row[j].exp() for j in negatives if row[j] <= k)
        soft = ((row - k) / width).sigmoid()
        expected = sum(row[j].exp() / left * soft[j] * (1 - soft[j]) / width for j in negatives) / 10
        torch.testing.assert_close(gradient[i], torch.as_tensor(expected), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("comparison", ["straight_through", "sigmoid"])
def test_exclusion_alone_pulls_the_threshold_down(comparison: str) -> None:
    """The collapse of the paper's appendix A: the loss falls with every negative that is left out."""
    threshold = torch.full((10,), 0.1, dtype=torch.float64, requires_grad=True)
    loss = thresholded_info_nce(cosines(*views()), threshold, "exclude_above", comparison=comparison)
    assert (torch.autograd.grad(loss, threshold)[0] > 0).all()


def test_no_comparison_pulls_a_pair_across_the_threshold() -> None:
    """The similarities' gradient is that of fixed memberships, whatever the width."""
    gradients: list[Tensor] = []
    for comparison, width in (("hard", 0.1), ("straight_through", 0.01), ("straight_through", 1.0)):
        similarity = cosines(*views()).detach().requires_grad_()
        loss = thresholded_info_nce(similarity, torch.tensor(0.1), "exclude_above", 1.0, comparison, width)
        gradients += torch.autograd.grad(loss, similarity)
    for other in gradients[1:]:
        torch.testing.assert_close(other, gradients[0], rtol=1e-10, atol=1e-12)


@EVERY_OBJECTIVE
@EVERY_COMPARISON
@NONE_OR_ALL
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("batch", [1, 4])
def test_finite_where_none_or_all_are_above(
    objective: str, comparison: str, threshold: float, dtype: torch.dtype, batch: int
) -> None:
    z = views(batch, dtype)
    limit = torch.full((2 * batch,), threshold, requires_grad=comparison != "hard")
    loss = thresholded_info_nce(cosines(*z), limit, objective, 0.05, comparison, 0.05)
    assert loss.dtype == torch.float32
    wanted = (*z, limit) if limit.requires_grad and math.isfinite(threshold) else z
    assert all(torch.isfinite(value).all() for value in (loss, *torch.autograd.grad(loss, wanted)))


def test_none_and_all_above_are_known_losses() -> None:
    similarity = cosines(*(z := views()))
    none, every = torch.tensor(1.05), torch.tensor(-1.05)
    whole = info_nce(*z, similarity="cosine")
    assert_close = torch.testing.assert_close
    assert_close(thresholded_info_nce(similarity, none, "exclude_above"), whole)
    assert_close(thresholded_info_nce(similarity, every, "exclude_below"), whole)
    assert_close(thresholded_info_nce(similarity, none, "soft_labels"), whole / 2)
    assert_close(thresholded_info_nce(similarity, none, "extra_positives"), whole + math.log(2))
    assert_close(thresholded_info_nce(similarity, none, "weighted_positives"), whole / 2)
    for nothing in ((every, "exclude_above"), (none, "exclude_below")):
        assert_close(thresholded_info_nce(similarity, *nothing), torch.zeros((), dtype=torch.float64))


@EVERY_OBJECTIVE
@EVERY_COMPARISON
def test_large_dot_products_stay_finite(objective: str, comparison: str) -> None:
    z_a = torch.linspace(-30, 30, 12).view(4, 3).requires_grad_()
    similarity = similarity_matrix(z_a, z_a * 1.5)
    loss = thresholded_info_nce(similarity, torch.tensor(0.0), objective, 0.1, comparison)
    assert all(torch.isfinite(value).all() for value in (loss, *torch.autograd.grad(loss, z_a)))


def test_autocast_changes_nothing() -> None:
    z = views(dtype=torch.float32)
    plain = thresholded_info_nce(cosines(*z), torch.tensor(0.1))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = thresholded_info_nce(cosines(*z), torch.tensor(0.1))
    torch.testing.assert_close(inside, plain, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"objective": "both"}, "objective is 'both'; it must be one of exclude_above, "),
        ({"comparison": "soft"}, "comparison is 'soft'; it must be one of hard, straight_through, sigmoid"),
        ({"temperature": 0.0}, "temperature is 0.0; it must be greater than 0"),
        ({"width": -1.0}, "width is -1.0; it must be greater than 0"),
    ],
)
def test_bad_arguments_are_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        thresholded_info_nce(cosines(*views()), torch.tensor(0.1), **arguments)  # type: ignore[arg-type]
