"""A user's own metrics by dotted path: functions of the targets' ranks, importable from anywhere.

Letters: U users.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from recbole.evaluator.register import metric_information
from torch import Tensor

from recbole_cl.errors import UsageError
from recbole_cl.registry import Registry, attribute_of

OWN_METRICS: Registry[Callable[[Tensor, int], Tensor]] = Registry("metric", {})
"""Maps (ranks from 1, int64 [U]; cut-off k) to each user's value, [U]; higher is better."""


def check_own(paths: Iterable[str]) -> None:
    """Checks the functions before training.

    Raises:
        UsageError: If a path does not lead to a function, or two metrics would have the same name.
    """
    taken = dict.fromkeys(metric_information, "RecBole's")
    for path in paths:
        OWN_METRICS.resolve(path)
        name = attribute_of(path).lower()
        if name in taken:
            raise UsageError(f"metrics: {path} would be called {name}, as is {taken[name]}; give it another name")
        taken[name] = path


def own_metrics(paths: Iterable[str], topk: Iterable[int], rank: Tensor, decimal_place: int) -> dict[str, float]:
    """Means over users, under the function's name in lower case.

    Args:
        paths: Dotted paths of the functions.
        topk: Cut-offs.
        rank: Each user's rank of the target, from 1. Shape [U].
        decimal_place: Number of decimal places of results.

    Returns:
        ``{"rbp@10": 0.0712, ...}``.
    """
    functions = {attribute_of(path).lower(): OWN_METRICS.resolve(path) for path in paths}
    return {
        f"{name}@{k}": round(float(function(rank, k).double().mean()), decimal_place)
        for name, function in functions.items()
        for k in topk
    }
