"""Paired significance tests over users, from stored ranks. S seeds, U users."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from recbole_cl.errors import UsageError

PairedTest = Literal["t", "wilcoxon"]
TESTS: tuple[PairedTest, ...] = ("t", "wilcoxon")
FROM_RANKS = ("hit", "recall", "precision", "ndcg", "mrr", "map")

# Averages of the same values in another order differ by rounding; taken at face value they would make a test of noise.
_DECIMALS = 12


@dataclass(frozen=True)
class PairedResult:
    """The outcome of a paired comparison: mean difference, its 95 % t-interval over users, and the two-sided p."""

    difference: float
    low: float
    high: float
    p_value: float
    n_users: int


def split_metric(metric: str) -> tuple[str, int | None]:
    """Split `"ndcg@10"` into `("ndcg", 10)` and `"gauc"` into `("gauc", None)`.

    Raises:
        UsageError: the name does not read like a metric.
    """
    match = re.fullmatch(r"([a-z]+)(?:@([1-9]\d*))?", metric.lower())
    if match is None:
        raise UsageError(f"{metric!r} is no metric: write a name and a cut-off, such as ndcg@10")
    return match[1], int(match[2]) if match[2] else None


def computable_from_ranks(metric: str) -> bool:
    """Whether `metric` is one that a user's rank determines, such as `hit@10`."""
    name, k = split_metric(metric)
    return name in FROM_RANKS and k is not None


def per_user_metric(ranks: ArrayLike, metric: str) -> NDArray[np.float64]:
    """Compute a metric for each user from the rank of the user's one target.

    Args:
        ranks: ranks from 1.
        metric: `hit@k`, `recall@k`, `precision@k`, `ndcg@k`, `mrr@k` or `map@k`, with k typically 5 to 20. With one
            target recall is hit, precision is hit / k, and map is mrr.

    Shape:
        ranks: any, e.g. [S, U].

    Returns:
        Values from 0 to 1, of the shape of `ranks`; their mean over users is RecBole's figure before rounding.

    Raises:
        UsageError: another metric.
    """
    if not computable_from_ranks(metric):
        raise UsageError(f"{metric!r} does not follow from ranks: use one of {', '.join(FROM_RANKS)} with @k")
    name, k = split_metric(metric)
    rank = np.asarray(ranks, dtype=np.float64)
    gain = {
        "ndcg": 1 / np.log2(rank + 1),
        "mrr": 1 / rank,
        "map": 1 / rank,
        "precision": np.full_like(rank, 1 / (k or 1)),
    }
    return np.where(rank <= (k or 0), gain.get(name, 1.0), 0.0)


def paired_test(a: ArrayLike, b: ArrayLike, test: PairedTest = "t") -> PairedResult:
    """Test whether two models differ, pairing their metric values user by user.

    Null hypothesis: for `t`, the mean over users of a's value minus b's is zero; for `wilcoxon`, the differences are
    distributed symmetrically about zero (users without a difference are dropped). Both tests are two-sided. The values
    of several seeds are first averaged per user; the two models may have different numbers of seeds.

    Args:
        a: metric values of one model.
        b: metric values of the other, for the same users in the same order.
        test: `t` (paired t-test) or `wilcoxon` (signed-rank test).

    Shape:
        a, b: [U], or [S, U] with one row per seed.

    Returns:
        The difference a - b, with p = 1 where no user differs.

    Raises:
        UsageError: different or fewer than two users, or an unknown test.

    Note:
        The users are the sample, so the conclusion holds for these trained models and other users like these. It says
        nothing about other training seeds: report the standard deviation over seeds beside it, and see `seed_test`.
    """
    values_a, values_b = _seed_average(a), _seed_average(b)
    if values_a.shape != values_b.shape or values_a.size < 2:
        raise UsageError(f"cannot pair {values_a.size} users with {values_b.size}: give the same two or more users")
    difference = np.round(values_a - values_b, _DECIMALS)
    mean, error = float(difference.mean()), float(stats.sem(difference))
    margin = error * float(stats.t.ppf(0.975, difference.size - 1))
    return PairedResult(mean, mean - margin, mean + margin, _p_value(difference, test), difference.size)


def seed_test(a: Sequence[float], b: Sequence[float]) -> float:
    """Test over training seeds whether two models differ, with Welch's two-sided t-test.

    Null hypothesis: the expected metric over training seeds is the same for both models, whatever their variances.
    This is the complement of `paired_test`: its sample is the seeds, with the users fixed.

    Args:
        a: one model's metric for each seed, at least two, typically 3 to 10.
        b: the other's, likewise; the numbers of seeds may differ.

    Returns:
        p, or NaN where it is undefined: fewer than two seeds, or no spread in either model.
    """
    if min(len(a), len(b)) < 2 or max(np.ptp(a), np.ptp(b)) < 10.0**-_DECIMALS:
        return float("nan")
    return float(stats.ttest_ind(a, b, equal_var=False).pvalue)


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Adjust the p values of one family of tests so that the chance of any false finding stays at the level.

    Reference:
        Holm, A Simple Sequentially Rejective Multiple Test Procedure, Scandinavian Journal of Statistics 6, 1979.

    Shape:
        p_values: [M], in any order.

    Returns:
        Adjusted p values in the given order: the i-th smallest times M - i + 1, made monotone, at most 1.
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p)
    stepped = np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def _seed_average(values: ArrayLike) -> NDArray[np.float64]:
    average: NDArray[np.float64] = np.atleast_2d(np.asarray(values, dtype=np.float64)).mean(axis=0)  # [U]
    return average


def _p_value(difference: NDArray[np.float64], test: PairedTest) -> float:
    if test not in TESTS:
        raise UsageError(f"unknown test {test!r}: choose from {', '.join(TESTS)}")
    if not difference.any():
        return 1.0
    if test == "wilcoxon":
        return float(stats.wilcoxon(difference).pvalue)
    # Every user differs by the same amount: t is infinite, and SciPy warns of the division.
    return 0.0 if np.ptp(difference) == 0 else float(stats.ttest_1samp(difference, 0.0).pvalue)
