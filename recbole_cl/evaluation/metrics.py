"""Ranking metrics from each user's rank, computed by RecBole's own Evaluator.

A leave-one-out test has one target per user, so the target's rank is all that the accuracy metrics need: RecBole's [U,
    N] label matrix and its top-k matrix are never built. U users, N items (padding row 0 included), K list length.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from recbole.evaluator import Evaluator
from recbole.evaluator.collector import DataStruct
from recbole.evaluator.register import Register, metric_information
from torch import Tensor

from recbole_cl.errors import UsageError
from recbole_cl.evaluation.own_metrics import check_own, own_metrics

_FROM_SCORES = ("rec.score", "data.label")
_FROM_TRAINING_DATA = ("data.num_items", "data.num_users", "data.count_items", "data.count_users")


@dataclass(frozen=True)
class MetricSettings:
    """Which metrics to compute, and how.

    Attributes:
        metrics: ranking metrics of RecBole, case-insensitive.
        topk: cut-offs, each at least 1, e.g. 5, 10, 20.
        decimal_place: number of decimal places of results, usually 4.
        tail_ratio: how `tailpercentage` defines the tail: the rarest share of the items, in (0, 1]; if above 1, items
            with at most this many interactions; None for RecBole's 0.1.
        own: dotted paths of a user's own metrics: see `own_metrics`.
    """

    metrics: Sequence[str]
    topk: Sequence[int]
    decimal_place: int
    tail_ratio: float | None = None
    own: Sequence[str] = ()

    def __post_init__(self) -> None:
        check_own(self.own)

    def for_recbole(self) -> dict[str, Any]:
        """The settings under the keys that RecBole's evaluator and its metrics read."""
        return {
            "metrics": list(self.metrics),
            "topk": list(self.topk),
            "metric_decimal_place": self.decimal_place,
            "tail_ratio": self.tail_ratio,
        }


@dataclass(frozen=True)
class RankCounts:
    """The position of each user's target among the items ranked for that user.

    Args:
        above: other items scored strictly above the target, int64, 0 to N - 2; N - 1 for a target that is not ranked.
        tied: other items with the target's score, int64, usually 0.
        n_items: N, number of rows of the item table, with the padding row.
        top_items: the items with the highest scores, best first; needed only if `needs_top_items` says so.
        removed: number of items excluded from each user's ranking in addition to the padding row (the history, if it is
            removed); None if all items were ranked. Only GAUC depends on it.

    Shape:
        above, tied, removed: [U]; top_items: [U, K].

    Raises:
        UsageError: the shapes do not agree.
    """

    above: Tensor
    tied: Tensor
    n_items: int
    top_items: Tensor | None = None
    removed: Tensor | None = None

    def __post_init__(self) -> None:
        for name in ("tied", "removed", "top_items"):
            value = getattr(self, name)
            if value is not None and value.shape[:1] != self.above.shape:
                raise UsageError(
                    f"{name} has shape {tuple(value.shape)}, above {tuple(self.above.shape)}: give one row per user"
                )

    @property
    def rank(self) -> Tensor:
        """The target's rank from 1, int64 [U]; ties count against the model."""
        return self.above + self.tied + 1

    @property
    def mean_rank(self) -> Tensor:
        """The target's mean rank over all orders of its ties, at most the last one, float64 [U]."""
        return torch.minimum(self.above.double() + self.tied.double() / 2 + 1, self.candidates.double())

    @property
    def candidates(self) -> Tensor:
        """Number of items ranked for each user, int64 [U]."""
        ranked = torch.full_like(self.above, self.n_items - 1)
        return ranked if self.removed is None else ranked - self.removed


def needs_top_items(settings: MetricSettings) -> bool:
    """Whether one of the metrics uses the recommended items and not only the ranks."""
    return bool(_register(settings).need("rec.items"))


def metrics_from_ranks(
    settings: MetricSettings, counts: RankCounts, extra: Mapping[str, Any] | None = None
) -> dict[str, float]:
    """Compute metrics from ranks, with RecBole's Evaluator.

    Args:
        settings: the metrics.
        counts: the ranks of all users.
        extra: statistics of the training data under RecBole's names (`data.num_items`, `data.count_items`, ...), for
            metrics of coverage and popularity.

    Returns:
        `{"hit@10": 0.0712, ...}`, rounded: RecBole's in the order of the settings, then a user's own.

    Raises:
        UsageError: an unknown metric, one that needs labels, or one whose top items or statistics were not given.

    Note:
        RecBole breaks ties in its top-k list arbitrarily, so a model that gives all items the same score can reach a
            perfect result; here ties count against the model. GAUC averages over ties, as in RecBole. RecBole 1.2.1's
            own Collector fails on metrics of coverage and popularity (it calls `.cpu()` on an int); they work here.
    """
    register = _register(settings)
    struct, longest = DataStruct(), max(settings.topk)
    if register.need("rec.topk"):
        struct.set("rec.topk", _one_hot_ranks(counts.rank, longest))
    if register.need("rec.items"):
        struct.set("rec.items", _top_items(counts, longest))
    if register.need("rec.meanrank"):
        ones = torch.ones_like(counts.mean_rank)
        struct.set("rec.meanrank", torch.stack((counts.mean_rank, counts.candidates, ones), dim=1).cpu())  # [U, 3]
    for name in filter(register.need, _FROM_TRAINING_DATA):
        struct.set(name, _statistic(name, extra or {}))
    values = {name: float(value) for name, value in Evaluator(settings.for_recbole()).evaluate(struct).items()}
    return values | own_metrics(settings.own, settings.topk, counts.rank, settings.decimal_place)


def _register(settings: MetricSettings) -> Register:
    for metric in settings.metrics:
        needs = metric_information.get(metric.lower())
        if needs is None:
            raise UsageError(f"unknown metric {metric!r}: choose from {', '.join(_ranking_metrics())}")
        if set(needs) & set(_FROM_SCORES):
            raise UsageError(f"metric {metric!r} needs labels, a ranking has none: use {', '.join(_ranking_metrics())}")
    return Register(settings.for_recbole())


def _ranking_metrics() -> list[str]:
    return sorted(name for name, needs in metric_information.items() if not set(needs) & set(_FROM_SCORES))


def _one_hot_ranks(rank: Tensor, width: int) -> Tensor:
    """RecBole's `rec.topk`: a one where the list of length `width` hits, then the number of targets, which is 1."""
    hits = rank[:, None] == torch.arange(1, width + 1, device=rank.device)  # [U, K]
    return torch.cat((hits, torch.ones_like(hits[:, :1])), dim=1).long().cpu()  # [U, K + 1]


def _top_items(counts: RankCounts, width: int) -> Tensor:
    if counts.top_items is None or counts.top_items.shape[1] < width:
        given = "none" if counts.top_items is None else counts.top_items.shape[1]
        raise UsageError(f"the metrics need each user's top {width} items, given: {given}; collect them with the ranks")
    return counts.top_items[:, :width].cpu()


def _statistic(name: str, extra: Mapping[str, Any]) -> Any:
    if name not in extra:
        raise UsageError(f"the metrics need {name!r} of the training data, given: {sorted(extra)}")
    return extra[name]
