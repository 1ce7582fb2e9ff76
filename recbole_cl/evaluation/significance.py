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

# Means of the same values in another order differ by rounding; without a tolerance, a test would compare this noise.
_DECIMALS = 12


@dataclass(frozen=True)
class PairedResult:
    """The outcome of a paired comparison: mean difference, its 95 % t-interval over users, and the two-sided p."""

    difference: float
    low: float
    high: float
    p_value: float


def split_metric(metric: str) -> tuple[str, int | None]:
    """Split `"ndcg@10"` into `("ndcg", 10)` and `"gauc"` into `("gauc", None)`.

    Raises:
        UsageError: the name does not look like a metric.
    """
    match = re.fullmatch(r"([^\W\d]\w*)(?:@([1-9]\d*))?", metric.lower())
    if match is None:
        raise UsageError(f"{metric!r} is no metric: write a name and a cut-off, such as ndcg@10")
    return match[1], int(match[2]) if match[2] else None


def computable_from_ranks(metric: str) -> bool:
    """Whether `metric` is determined by a user's rank, such as `hit@10`."""
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
        distributed symmetrically about zero (users without a difference are dropped). Both tests are two-sided. The
        values of several seeds are first averaged per user; the two models may have different numbers of seeds.

    Args:
        a: metric values of one model.
        b: metric values of the other, for the same users in the same order.
        test: `t` (paired t-test) or `wilcoxon` (signed-rank test).

    Shape:
        a, b: [U], or [S, U] with one row per seed.

    Returns:
        The difference a - b, with p = 1 if no user differs.

    Raises:
        UsageError: different or fewer than two users, or an unknown test.

    Note:
        The users are the sample, so the conclusion holds for these trained models and for other users like these. It
        does not extend to other training seeds; that of `crossed_test` does.
    """
    values_a, values_b = _seed_average(a), _seed_average(b)
    if values_a.shape != values_b.shape or values_a.size < 2:
        raise UsageError(f"cannot pair {values_a.size} users with {values_b.size}: give the same two or more users")
    difference = np.round(values_a - values_b, _DECIMALS)
    mean, error = float(difference.mean()), float(stats.sem(difference))
    margin = error * float(stats.t.ppf(0.975, difference.size - 1))
    return PairedResult(mean, mean - margin, mean + margin, _p_value(difference, test))


def crossed_test(a: ArrayLike, b: ArrayLike) -> float:
    """Test, two-sided, over both users and training seeds whether two models differ.

    Null hypothesis: the expected metric, over other users and over other trainings, is the same for both models. The
        statistic is Welch's over seeds, with one more term in its variance: the variance of the users' mean difference,
        minus the part of it that is due to chance in each training (the other term already contains this part). p is
        never below that of `paired_test`, because a few seeds may agree by chance. Without users this is Welch's test.

    Reference:
        Satterthwaite, An Approximate Distribution of Estimates of Variance Components, Biometrics Bulletin 2, 1946,
        for the degrees of freedom. Users are a factor that is crossed with seeds, and seeds are nested in models.

    Args:
        a: metric values of one model, for at least two seeds, typically 3 to 10.
        b: the other model's, for the same users in the same order; the numbers of seeds may differ.

    Shape:
        a, b: [S, U]; or [S], the values of a metric that does not exist per user.

    Returns:
        p, or NaN where it is undefined: fewer than two seeds of either model, or no variation at all.

    Raises:
        UsageError: different or fewer than two users.

    Note:
        In simulations of equal models with three seeds each, p is below .05 in 1 to 6 % of cases. That of `paired_test`
            is below .05 in 17 to 38 % if trainings differ by twice as much as chance alone makes them differ. If only
            one model's trainings differ, by four times as much, p is below .05 in 7 % with three seeds and in up to 10
            % with two.
    """
    models = [np.asarray(values, dtype=np.float64) for values in (a, b)]
    users = [values.shape[1:] for values in models]
    if users[0] != users[1] or users[0] == (1,):
        raise UsageError(f"cannot pair users of shape {users[0]} with {users[1]}: give the same two or more users")
    if min(len(values) for values in models) < 2:
        return float("nan")
    of_seeds = [values.reshape(len(values), -1).mean(axis=1) for values in models]
    difference = float(of_seeds[0].mean() - of_seeds[1].mean())
    parts = [(float(np.var(means, ddof=1)) / len(means), len(means) - 1) for means in of_seeds]
    if not users[0]:
        return _p_of_parts(difference, parts)
    n_users = users[0][0]
    between = float(np.var(models[0].mean(axis=0) - models[1].mean(axis=0), ddof=1))
    chance = sum(_interaction(values) / len(values) for values in models)
    both = _p_of_parts(difference, [*parts, (max(between - chance, 0.0) / n_users, n_users - 1)])
    return float(np.fmax(both, _p_of_parts(difference, [(between / n_users, n_users - 1)])))


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Adjust the p values of a family of tests so that the probability of any false finding stays at the level.

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


def _interaction(values: NDArray[np.float64]) -> float:
    """The variance that neither the seed nor the user explains, in [S, U] values of one model."""
    seeds, users = values.shape
    rest = values - values.mean(axis=1, keepdims=True) - values.mean(axis=0) + values.mean()
    return float(np.square(rest).sum()) / ((seeds - 1) * (users - 1))


def _p_of_parts(difference: float, parts: Sequence[tuple[float, int]]) -> float:
    """The p value of a difference whose variance is a sum of estimates, each given with its degrees of freedom."""
    variance = sum(part for part, _ in parts)
    if variance < 10.0 ** (-2 * _DECIMALS):
        return float("nan")
    df = variance**2 / sum(part**2 / n for part, n in parts)
    return float(2 * stats.t.sf(abs(difference) / variance**0.5, df))


def _p_value(difference: NDArray[np.float64], test: PairedTest) -> float:
    if test not in TESTS:
        raise UsageError(f"unknown test {test!r}: choose from {', '.join(TESTS)}")
    if not difference.any():
        return 1.0
    if test == "wilcoxon":
        return float(stats.wilcoxon(difference).pvalue)
    # Every user differs by the same amount: t is infinite, and SciPy would warn of the division.
    return 0.0 if np.ptp(difference) == 0 else float(stats.ttest_1samp(difference, 0.0).pvalue)
