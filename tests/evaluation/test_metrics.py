from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import recbole
import torch
from recbole.evaluator import Collector, Evaluator
from torch import Tensor

from recbole_cl.errors import UsageError
from recbole_cl.evaluation.metrics import MetricSettings, RankCounts, metrics_from_ranks, needs_top_items

ACCURACY = ["recall", "mrr", "ndcg", "hit", "precision", "map"]
BEYOND = ["itemcoverage", "averagepopularity", "giniindex", "shannonentropy", "tailpercentage"]
TOPK = [1, 5, 10, 20]


def settings(metrics: list[str], decimals: int = 9) -> MetricSettings:
    return MetricSettings(metrics, TOPK, decimals, tail_ratio=0.1)


@pytest.fixture(autouse=True)
def numpy_aliases(monkeypatch: pytest.MonkeyPatch) -> None:
    """RecBole's metrics use the aliases that NumPy dropped; its Config restores them, and no Config is made here."""
    for name, kind in (("float", float), ("bool", bool)):
        monkeypatch.setitem(vars(np), name, kind)  # setattr would first ask for the alias, which warns


def test_a_target_that_is_not_ranked_is_as_bad_as_the_last_one() -> None:
    """One user's target is in the history that was removed: GAUC 0 for it, and 1 for the other."""
    counts = RankCounts(torch.tensor([10, 0]), torch.tensor([0, 0]), n_items=11, removed=torch.tensor([4, 4]))
    assert metrics_from_ranks(settings(["gauc"]), counts) == {"gauc": 0.5}


@pytest.fixture(scope="module")
def ml_100k() -> dict[str, Any]:
    """Leave-one-out on ml-100k: each user's last item, the counts of the rest, and popularity-plus-noise scores."""
    path = Path(recbole.__file__).parent / "dataset_example" / "ml-100k" / "ml-100k.inter"
    user, item, _, time = np.loadtxt(path, skiprows=1, dtype=np.int64, unpack=True)
    order = np.lexsort((time, user))
    user, item = user[order], item[order]
    last = np.append(user[1:] != user[:-1], True)
    n_users, n_items = int(last.sum()), int(item.max()) + 1
    counts = np.bincount(item[~last], minlength=n_items)
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(n_users, n_items, generator=generator, dtype=torch.float64)
    scores = torch.from_numpy(np.log1p(counts)) + noise
    scores[:, 0] = -torch.inf
    rows = torch.from_numpy(np.cumsum(last) - last)
    history = torch.zeros(n_users, n_items, dtype=torch.bool)
    history[rows[~last], torch.from_numpy(item[~last])] = True
    return {
        "scores": scores,
        "target": torch.from_numpy(item[last]),
        "history": history,
        "extra": {"data.num_items": n_items, "data.count_items": Counter(item[~last].tolist())},
    }


def count(scores: Tensor, target: Tensor, removed: Tensor | None = None) -> RankCounts:
    own = scores.gather(1, target[:, None])
    above, tied = (scores > own).sum(dim=1), (scores == own).sum(dim=1) - 1
    return RankCounts(above, tied, scores.shape[1], scores.topk(max(TOPK)).indices, removed)


def by_recbole(settings: MetricSettings, scores: Tensor, target: Tensor, extra: dict[str, Any]) -> dict[str, float]:
    config = settings.for_recbole() | {"eval_args": {"mode": "full"}, "device": torch.device("cpu")}
    collector = Collector(config)
    collector.eval_batch_collect(scores, None, torch.arange(len(target)), target)
    struct = collector.get_data_struct()
    for name, value in extra.items():
        struct.set(name, value)
    return dict(Evaluator(config).evaluate(struct))


@pytest.mark.parametrize("history_removed", [False, True])
def test_all_ranking_metrics_equal_recboles_collector(ml_100k: dict[str, Any], history_removed: bool) -> None:
    config, scores, removed = settings([*ACCURACY, *BEYOND, "gauc"]), ml_100k["scores"], None
    if history_removed:
        scores = scores.masked_fill(ml_100k["history"], -torch.inf)
        removed = ml_100k["history"].sum(dim=1)
    expected = by_recbole(config, scores.clone(), ml_100k["target"], ml_100k["extra"])
    actual = metrics_from_ranks(config, count(scores, ml_100k["target"], removed), ml_100k["extra"])
    assert list(actual) == list(expected) and len(actual) == 11 * len(TOPK) + 1
    assert expected["hit@20"] > expected["hit@1"] >= 0
    assert actual == pytest.approx(expected, abs=1e-8)


def test_rounding_is_recboles(ml_100k: dict[str, Any]) -> None:
    config = settings(ACCURACY, decimals=4)
    expected = by_recbole(config, ml_100k["scores"], ml_100k["target"], {})
    assert metrics_from_ranks(config, count(ml_100k["scores"], ml_100k["target"])) == expected


def test_gauc_averages_over_ties_as_recbole_does() -> None:
    generator = torch.Generator().manual_seed(1)
    scores = torch.randint(0, 4, (40, 30), generator=generator).double()
    scores[:, 0] = -torch.inf
    target = torch.randint(1, 30, (40,), generator=generator)
    config = settings(["gauc"])
    counts = count(scores, target)
    assert counts.tied.sum() > 100
    assert metrics_from_ranks(config, counts) == pytest.approx(by_recbole(config, scores, target, {}), abs=1e-6)


def test_ties_count_against_the_model() -> None:
    counts = count(torch.zeros(3, 30), torch.tensor([1, 2, 3]))
    assert counts.rank.tolist() == [30, 30, 30]
    assert set(metrics_from_ranks(settings(["hit"]), counts).values()) == {0.0}


def test_only_metrics_of_the_recommended_items_need_top_items() -> None:
    assert not needs_top_items(settings([*ACCURACY, "GAUC"]))
    assert all(needs_top_items(settings([metric])) for metric in BEYOND)


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        (["hitt"], "unknown metric 'hitt': choose from .*ndcg"),
        (["auc"], "'auc' needs labels"),
        (["shannonentropy"], "top 20 items, given: none"),
    ],
)
def test_what_cannot_be_computed_is_refused(metrics: list[str], message: str) -> None:
    counts = RankCounts(torch.tensor([0, 3]), torch.tensor([0, 1]), n_items=9)
    with pytest.raises(UsageError, match=message):
        metrics_from_ranks(settings(metrics), counts)


def test_short_lists_missing_statistics_and_odd_shapes_are_refused() -> None:
    above, tied = torch.tensor([0, 3]), torch.tensor([0, 1])
    with pytest.raises(UsageError, match="given: 7"):
        metrics_from_ranks(settings(["giniindex"]), RankCounts(above, tied, 30, torch.ones(2, 7)))
    with pytest.raises(UsageError, match=r"'data\.count_items' of the training data"):
        metrics_from_ranks(settings(["averagepopularity"]), RankCounts(above, tied, 30, torch.ones(2, 20)))
    with pytest.raises(UsageError, match="tied has shape"):
        RankCounts(above, tied[:1], 30)
