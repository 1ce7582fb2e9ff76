from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from recbole_cl.errors import UsageError
from recbole_cl.evaluation.metrics import MetricSettings, RankCounts, metrics_from_ranks
from recbole_cl.evaluation.significance import (
    FROM_RANKS,
    computable_from_ranks,
    crossed_test,
    holm,
    paired_test,
    per_user_metric,
)


def ranks(seed: int, shape: tuple[int, ...] = (60,), high: int = 30) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).integers(1, high, shape).astype(np.int32)


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("hit@3", [1, 1, 0]),
        ("recall@3", [1, 1, 0]),
        ("precision@3", [1 / 3, 1 / 3, 0]),
        ("mrr@3", [1, 1 / 3, 0]),
        ("MAP@3", [1, 1 / 3, 0]),
        ("ndcg@3", [1, 1 / 2, 0]),
        ("mrr@4", [1, 1 / 3, 1 / 4]),
    ],
)
def test_per_user_values(metric: str, expected: list[float]) -> None:
    assert per_user_metric(np.array([1, 3, 4], dtype=np.int32), metric) == pytest.approx(expected)


def test_means_over_users_are_recboles_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(vars(np), "float", float)
    rank = ranks(0, (200,))
    above = torch.from_numpy(rank).long() - 1
    settings = MetricSettings(list(FROM_RANKS), topk=[1, 7], decimal_place=12)
    figures = metrics_from_ranks(settings, RankCounts(above, torch.zeros_like(above), n_items=40))
    assert len(figures) == 12
    for metric, value in figures.items():
        assert per_user_metric(rank, metric).mean() == pytest.approx(value, abs=1e-11)


@pytest.mark.parametrize("metric", ["gauc", "hit", "hit@0", "hit@-1", "itemcoverage@10", "ndcg @10"])
def test_other_metrics_are_refused(metric: str) -> None:
    with pytest.raises(UsageError):
        per_user_metric(ranks(0), metric)


@pytest.mark.parametrize("metric", ["my_metric@10", "rbp2@10", "gauc"])
def test_any_identifier_is_a_metric_s_name(metric: str) -> None:
    assert not computable_from_ranks(metric)
    with pytest.raises(UsageError, match="is no metric"):
        computable_from_ranks(f"2{metric}")


def test_t_test_averages_seeds_per_user_and_is_scipys() -> None:
    a, b = per_user_metric(ranks(1, (3, 60)), "ndcg@10"), per_user_metric(ranks(2, (2, 60), 40), "ndcg@10")
    result, expected = paired_test(a, b), stats.ttest_rel(a.mean(axis=0), b.mean(axis=0))
    interval = expected.confidence_interval(0.95)
    assert result.p_value == pytest.approx(float(expected.pvalue)) and 0 < result.p_value < 1
    assert (result.low, result.high) == pytest.approx((interval.low, interval.high))
    assert result.difference == pytest.approx(a.mean() - b.mean())


def test_wilcoxon_is_scipys() -> None:
    a, b = per_user_metric(ranks(3), "mrr@20"), per_user_metric(ranks(4), "mrr@20")
    result = paired_test(a, b, "wilcoxon")
    assert result.p_value == pytest.approx(float(stats.wilcoxon(np.round(a - b, 12)).pvalue))
    assert result.p_value != paired_test(a, b, "t").p_value


def test_swapping_the_models_turns_the_difference_and_keeps_p() -> None:
    a, b = per_user_metric(ranks(5), "ndcg@10"), per_user_metric(ranks(6), "ndcg@10")
    one, other = paired_test(a, b), paired_test(b, a)
    assert (one.difference, one.p_value) == pytest.approx((-other.difference, other.p_value))


@pytest.mark.parametrize("test", ["t", "wilcoxon"])
def test_equal_models_have_p_one_whatever_the_order_of_their_seeds(test: Any) -> None:
    values = per_user_metric(ranks(7, (3, 500)), "ndcg@10")
    assert (values.mean(axis=0) != values[[2, 0, 1]].mean(axis=0)).any()  # rounding alone
    result = paired_test(values, values[[2, 0, 1]], test)
    assert (result.p_value, result.difference, result.low, result.high) == (1.0, 0.0, 0.0, 0.0)


def test_a_constant_difference_is_certain_and_does_not_warn() -> None:
    assert paired_test(np.full(9, 0.75), np.full(9, 0.5)).p_value == 0.0


def test_users_that_cannot_be_paired_and_unknown_tests_are_refused() -> None:
    with pytest.raises(UsageError, match="cannot pair 4 users with 5"):
        paired_test(np.ones(4), np.ones(5))
    with pytest.raises(UsageError, match="cannot pair 1 users"):
        paired_test(np.ones(1), np.zeros(1))
    with pytest.raises(UsageError, match="unknown test 'z'"):
        paired_test(np.ones(4), np.zeros(4), "z")  # type: ignore[arg-type]


def test_without_users_the_crossed_test_is_welchs() -> None:
    a, b = [0.31, 0.33, 0.30], [0.28, 0.29]
    assert crossed_test(a, b) == pytest.approx(float(stats.ttest_ind(a, b, equal_var=False).pvalue))
    assert math.isnan(crossed_test(a, [0.3]))
    assert math.isnan(crossed_test([0.3, 0.3], [0.2, 0.2]))


def test_where_all_trainings_agree_the_crossed_test_is_that_over_users() -> None:
    a, b = (per_user_metric(ranks(seed), "ndcg@10") for seed in (3, 4))
    assert crossed_test(np.stack([a] * 3), np.stack([b] * 2)) == pytest.approx(paired_test(a, b).p_value)
    assert math.isnan(crossed_test(np.stack([a] * 3), b[None]))


def test_the_crossed_test_is_never_surer_than_that_over_users() -> None:
    """Few users too, and trainings whose means agree by chance, though each user's values do not."""
    generator = np.random.default_rng(0)
    for n_seeds in (2, 3):
        for _ in range(200):
            a, b = generator.normal(size=(2, n_seeds, 5))
            p = crossed_test(a, b)
            assert p > paired_test(a, b).p_value - 1e-9 and p == pytest.approx(crossed_test(b, a))
    a = np.stack([np.arange(9.0), np.arange(9.0)[::-1]])
    b = np.zeros((2, 9)) + np.arange(9.0) ** 2
    assert crossed_test(a, b) == pytest.approx(paired_test(a, b).p_value)  # neither model's means differ


def test_the_crossed_test_adds_up_the_components_of_variance() -> None:
    """On 2 and 3 seeds of 3 users, with the mean squares written out."""
    a = np.array([[0.0, 1.0, 5.0], [2.0, 2.0, 8.0]])
    b = np.array([[1.0, 0.0, 2.0], [0.0, 0.0, 0.0], [2.0, 0.0, 4.0]])
    # Means over users: a 2, 4, whose variance is 2; b 1, 0, 2, with 1. Over seeds: a 1, 1.5, 6.5; b 1, 0, 2.
    # Differences of users 0, 1.5, 4.5, whose variance is 5.25. Left over in a: 0, .5, -.5 and its negative, 1 / 2 with
    # 1 * 2 degrees of freedom; in b: 0, 0, 0, then 0, 1, -1, then 0, -1, 1, 4 with 2 * 2.
    seeds_a, seeds_b, users = 2 / 2, 1 / 3, (5.25 - 0.5 / 2 - 1 / 3) / 3
    variance = seeds_a + seeds_b + users
    df = variance**2 / (seeds_a**2 / 1 + seeds_b**2 / 2 + users**2 / 2)
    assert crossed_test(a, b) == pytest.approx(float(2 * stats.t.sf((3 - 1) / variance**0.5, df)))


def test_users_add_nothing_where_they_differ_less_than_chance_makes_them() -> None:
    """Both have the same mean difference, and Welch's test is left."""
    a = np.array([[0.0, 1.0], [3.0, 2.0]])
    b = np.array([[4.0, 5.0], [8.0, 7.0]])
    assert crossed_test(a, b) == pytest.approx(crossed_test([0.5, 2.5], [4.5, 7.5]))


def test_users_that_cannot_be_crossed_are_refused() -> None:
    for a, b in ((np.ones((2, 4)), np.ones((2, 5))), (np.ones((2, 1)), np.ones((2, 1))), (np.ones(2), np.ones((2, 4)))):
        with pytest.raises(UsageError, match="cannot pair users"):
            crossed_test(a, b)


def test_two_seeds_of_one_method_are_told_apart_over_users_and_not_over_both() -> None:
    """Trainings that move all users a little: of equal methods a twentieth may come out different."""
    generator = np.random.default_rng(0)
    apart = {"users": 0, "both": 0}
    for _ in range(400):
        taste = generator.normal(size=100)  # of each user, for both methods
        seeds = generator.normal(0, 0.2, (2, 3, 1))
        a, b = taste + seeds + generator.normal(size=(2, 3, 100))
        apart["users"] += paired_test(a, b).p_value < 0.05
        apart["both"] += crossed_test(a, b) < 0.05
    assert apart["both"] < 30 and apart["users"] > 120


def test_holm_by_hand() -> None:
    # Sorted .005 .01 .03 .04, times 4 3 2 1: .02 .03 .06 .04, made monotone .02 .03 .06 .06.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == pytest.approx([1.0, 1.0])
    assert holm([0.2]) == pytest.approx([0.2])
    assert holm([]).size == 0
