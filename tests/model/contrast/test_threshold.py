"""The contrast with a threshold as a part: where thresholds come from, what trains them, what is recorded."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from recbole_cl.config.presets import model_defaults
from recbole_cl.config.settings import method_settings
from recbole_cl.errors import UsageError
from recbole_cl.loss.false_negatives import is_negative, negative_pairs, negative_statistic, row_statistic, share_above
from recbole_cl.loss.geometry import alignment, uniformity
from recbole_cl.loss.info_nce import info_nce, similarity_matrix
from recbole_cl.loss.thresholded_info_nce import thresholded_info_nce
from recbole_cl.model.adaptiverec import AdaptiveRec
from recbole_cl.model.contrast.threshold import ThresholdedContrast

D = 8


def contrast(rows: int = 6, **settings: Any) -> ThresholdedContrast:
    torch.manual_seed(1)
    return ThresholdedContrast(method_settings(AdaptiveRec, model_defaults(AdaptiveRec) | settings), D, rows).double()


def views(batch: int = 6, seed: int = 5) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(2, batch, D, generator=generator, dtype=torch.float64)
    return z[0].requires_grad_(), z[1].requires_grad_()


def cosines(z_a: Tensor, z_b: Tensor) -> Tensor:
    return similarity_matrix(z_a, z_b, similarity="cosine")


def percentile(z_a: Tensor, z_b: Tensor) -> Tensor:
    return negative_statistic(negative_pairs(cosines(z_a, z_b)), "percentile", 0.9)


def test_a_learned_threshold_serves_both_views() -> None:
    part, z = contrast(), views()
    learned = part.learned(z[0])
    assert learned is not None and learned.shape == (6,) and learned.std() > 0
    expected = thresholded_info_nce(cosines(*z), torch.cat((learned, learned)), "soft_labels")
    torch.testing.assert_close(part(*z, learned), expected)


def test_a_batch_threshold_is_the_batchs_own_statistic() -> None:
    part, z = contrast(similarity_threshold="batch"), views()
    assert part.learned(z[0]) is None and not list(part.parameters())
    torch.testing.assert_close(part(*z), thresholded_info_nce(cosines(*z), percentile(*z)))


def test_a_row_threshold_is_each_rows_own_statistic() -> None:
    part, z = contrast(similarity_threshold="row", threshold_statistic="mean"), views()
    expected = thresholded_info_nce(cosines(*z), row_statistic(cosines(*z), "mean", 0.9))
    torch.testing.assert_close(part(*z), expected)


def test_a_last_epochs_threshold_is_the_mean_over_its_batches_each_with_the_weight_of_its_rows() -> None:
    part, batches = contrast(similarity_threshold="last_epoch"), [views(), views(seed=6), views(2)]
    for z in batches:  # nothing is above a threshold that is not known yet
        torch.testing.assert_close(part(*z), info_nce(*z, similarity="cosine") / 2)
    first = part.end_epoch()
    assert "threshold" not in first and first["share_above"] == 0
    mean = sum(len(z[0]) * percentile(*z) for z in batches) / torch.tensor(14.0)
    torch.testing.assert_close(part(*batches[0]), thresholded_info_nce(cosines(*batches[0]), mean))
    torch.testing.assert_close(part.state_dict()["reference"], mean)


@pytest.mark.parametrize("comparison", ["straight_through", "sigmoid"])
def test_a_threshold_that_moves_is_guarded_in_the_first_epoch_too(comparison: str) -> None:
    part, z, later = contrast(comparison=comparison), views(), views(seed=6)
    learned = part.learned(z[0])
    assert learned is not None
    assert part.regulariser(learned) == 0  # nothing was seen yet
    for pair in (later, z):
        part(*pair, learned)
        expected = 0.1 * (learned - percentile(*pair)).square().sum().sqrt()
        torch.testing.assert_close(part.regulariser(learned), expected)
    part.end_epoch()
    mean = (percentile(*z) + percentile(*later)) / 2
    torch.testing.assert_close(part.regulariser(learned), 0.1 * (learned - mean).square().sum().sqrt())


def test_there_is_no_regulariser_before_there_is_a_reference() -> None:
    part, z = contrast(), views()
    learned = part.learned(z[0])
    assert learned is not None
    part(*z, learned)
    before = part.regulariser(learned)
    assert before == 0 and torch.equal(torch.autograd.grad(before, learned, retain_graph=True)[0], torch.zeros(6))
    part.end_epoch()
    expected = 0.1 * (learned - percentile(*z)).square().sum().sqrt()
    torch.testing.assert_close(part.regulariser(learned), expected)


def test_the_regulariser_may_be_squared() -> None:
    part, z = contrast(threshold_distance="squared_norm", threshold_weight=0.5), views()
    part(*z, learned := part.learned(z[0]))
    part.end_epoch()
    assert learned is not None
    torch.testing.assert_close(part.regulariser(learned), 0.5 * (learned - percentile(*z)).square().sum())


def test_an_epochs_figures_are_the_means_over_its_batches() -> None:
    part, batches = contrast(), [views(seed=seed) for seed in (5, 6)]
    thresholds: list[Tensor] = []
    for z in batches:
        learned = part.learned(z[0])
        assert learned is not None
        thresholds.append(learned)
        part(*z, learned)
    figures, every = part.end_epoch(), torch.cat(thresholds)
    pairs = list(zip(batches, thresholds, strict=True))
    expected: dict[str, Any] = {
        "threshold": every.mean(),
        "threshold_spread": every.std(correction=0),
        "statistic": sum(percentile(*z) for z in batches) / 2,
        "share_above": sum(share_above(cosines(*z), k.repeat(2)).double() for z, k in pairs) / 2,
        "alignment": sum(alignment(*z) for z in batches) / 2,
        "uniformity": sum(uniformity(z[0]) for z in batches) / 2,
    }
    for share in (10, 50, 90, 99):
        places = [negative_pairs(cosines(*z)).quantile(share / 100) for z in batches]
        expected[f"similarity_p{share}"] = sum(places) / 2
    assert figures == pytest.approx({name: value.item() for name, value in expected.items()}, abs=1e-6)
    assert part.end_epoch() == {}


def test_quantiles_of_a_large_batch_are_those_of_a_sample() -> None:
    part, z = contrast(rows=200), views(200)
    part(*z, part.learned(z[0]))
    figures = part.end_epoch()
    similarity = cosines(*z).detach()
    every = similarity[is_negative(similarity)]
    for share in (10, 50, 90, 99):
        assert figures[f"similarity_p{share}"] == pytest.approx(float(every.quantile(share / 100)), abs=0.02)


@pytest.mark.parametrize("comparison", ["straight_through", "sigmoid"])
def test_a_soft_comparison_trains_the_network_and_a_hard_one_does_not(comparison: str) -> None:
    z = views()
    for name, trained in ((comparison, True), ("hard", False)):
        part = contrast(comparison=name)
        learned = part.learned(z[0])
        gradients = torch.autograd.grad(part(*z, learned), tuple(part.parameters()), allow_unused=True)
        assert all((gradient is not None and bool(gradient.abs().sum() > 0)) == trained for gradient in gradients)


@pytest.mark.parametrize("comparison", ["straight_through", "sigmoid", "hard"])
def test_thresholds_move_the_encoder_by_the_regulariser_of_a_hard_comparison_alone(comparison: str) -> None:
    part, z = contrast(comparison=comparison), views()
    part(*z, part.learned(z[0]))
    part.end_epoch()
    hidden = z[0].detach().requires_grad_()
    learned = part.learned(hidden)
    assert learned is not None
    loss = part(*(view.detach() for view in z), learned) + part.regulariser(learned)
    (gradient,) = torch.autograd.grad(loss, hidden, allow_unused=True)
    assert (gradient is not None) == (comparison == "hard")


def first_epoch(part: ThresholdedContrast, z_a: Tensor, z_b: Tensor, steps: int, learning_rate: float) -> float:
    """Trains thresholds at the published contrastive weight, with no last epoch to lean on; the mean they end at."""
    optimizer = torch.optim.Adam(part.parameters(), learning_rate)
    mean = float("nan")
    for _ in range(steps):
        optimizer.zero_grad()
        learned = part.learned(z_a)
        assert learned is not None
        (0.1 * part(z_a, z_b, learned) + part.regulariser(learned)).backward()
        optimizer.step()
        mean = learned.mean().item()
    return mean


def test_without_its_regulariser_the_threshold_collapses_and_with_it_it_does_not() -> None:
    """Appendix A of the paper: leaving everything out is the cheapest way to tell the positive from the rest."""
    means, (z_a, z_b) = {}, [view.detach() for view in views()]
    for weight in (0.0, 0.5):
        part = contrast(objective="exclude_above", comparison="straight_through", threshold_weight=weight)
        means[weight] = first_epoch(part, z_a, z_b, 200, 0.05)
    assert means[0.0] < -0.9 and means[0.5] == pytest.approx(percentile(z_a, z_b).item(), abs=0.1)


def test_soft_labels_leave_a_threshold_nothing_to_gain_by_setting_nobody_apart() -> None:
    """At the published weight of the regulariser; labels that sum to 1/2 would keep it where it starts."""
    part, (z_a, noise) = contrast(32, comparison="straight_through"), (view.detach() for view in views(32))
    torch.nn.init.constant_(part.get_parameter("network.layers.1.bias"), 3.0)  # above all similarities
    z_b = z_a + 0.3 * noise  # a positive is nearer than the negatives
    assert first_epoch(part, z_a, z_b, 300, 0.01) == pytest.approx(percentile(z_a, z_b).item(), abs=0.05)


@pytest.mark.parametrize("settings", [{}, {"similarity_threshold": "row"}, {"similarity_threshold": "batch"}])
def test_a_batch_of_one_row_has_a_loss_of_zero_and_nothing_to_record(settings: dict[str, Any]) -> None:
    part, z = contrast(**settings), views(1)
    loss = part(*z, part.learned(z[0]))
    assert loss == 0 and all(torch.equal(gradient, torch.zeros(1, D)) for gradient in torch.autograd.grad(loss, z))
    assert part.end_epoch() == {} and part.state_dict()["reference"] == torch.inf


def test_thresholds_keep_their_precision_under_autocast() -> None:
    part, hidden = contrast().float(), torch.randn(6, D)
    plain = part.learned(hidden)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside, halved = part.learned(hidden), part.learned(hidden.bfloat16())
        loss = part(hidden.bfloat16(), hidden.bfloat16() + 1, inside)
    assert plain is not None and inside is not None and halved is not None
    assert torch.equal(inside, plain) and halved.dtype == torch.float32 and math.isfinite(loss)
    assert math.isfinite(part.end_epoch()["uniformity"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"similarity": "dot"}, "similarity = dot: a learned threshold lies between -1.05 and 1.05"),
        ({"threshold_weight": 0}, "threshold_weight = 0: with comparison = hard nothing else trains the threshold"),
        (
            {"comparison": "straight_through", "similarity_threshold": "batch"},
            "comparison = straight_through: similarity_threshold = batch takes no gradient",
        ),
    ],
)
def test_settings_that_do_not_go_together_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=f"^{message}") as caught:
        contrast(**settings)
    assert "\n" not in str(caught.value) and "set " in str(caught.value)


def test_dot_products_have_statistical_thresholds() -> None:
    part, z = (
        contrast(similarity="dot", similarity_threshold="batch", objective="exclude_above", temperature=2.0),
        views(),
    )
    similarity = similarity_matrix(*z)
    limit = negative_statistic(negative_pairs(similarity), "percentile", 0.9)
    torch.testing.assert_close(part(*z), thresholded_info_nce(similarity, limit, "exclude_above", 2.0))
