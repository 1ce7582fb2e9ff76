"""Metrics from anywhere importable, by dotted path: functions of the targets' ranks.

Letters: U users.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from torch import Tensor

from recbole_cl.registry import Registry, attribute_of

OWN_METRICS: Registry[Callable[[Tensor, int], Tensor]] = Registry("metric", {})
"""Of (ranks from 1, int64 [U]; cut-off k) -> each user's value, [U]."""


def own_metrics(paths: Iterable[str], topk: Iterable[int], rank: Tensor, decimal_place: int) -> dict[str, float]:
    """Means over users, under the function's name in small letters.

    Args:
        paths: Dotted paths of the functions.
        topk: Cut-offs.
        rank: Each user's rank of the target, from 1. Shape [U].
        decimal_place: Digits that figures are rounded to.

    Returns:
        ``{"rbp@10": 0.0712, ...}``.
    """
    functions = {attribute_of(path).lower(): OWN_METRICS.resolve(path) for path in paths}
    return {
        f"{name}@{k}": round(float(function(rank, k).double().mean()), decimal_place)
        for name, function in functions.items()
        for k in topk
    }
