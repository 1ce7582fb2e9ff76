"""Ranking among sampled items: by hand, the same for every model of a seed, and never without a word."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from recbole_cl import run
from recbole_cl.errors import UsageError
from recbole_cl.evaluation.evaluate import RankEvaluator
from recbole_cl.evaluation.metrics import RankCounts
from recbole_cl.evaluation.ranks import EvaluationRows
from recbole_cl.evaluation.sampled import _draw
from recbole_cl.report.compare import main as compare
from recbole_cl.report.store import load_run
from recbole_cl.runs.build import build_data, build_model
from recbole_cl.runs.evaluation_rows import build_evaluation_rows
from recbole_cl.testing.toy import TINY, write_cycle
from tests.trainer.parts import config_of

SHORT: dict[str, Any] = {"topk": [1, 3], "valid_metric": "MRR@3"}


def sampled(folder: Path, mode: str, **more: Any) -> tuple[Any, EvaluationRows, torch.Tensor]:
    """A model, the test among sampled items, and these."""
    config = config_of(folder, eval_args={"mode": {"valid": "full", "test": mode}}, **SHORT, **more)
    train, _, test = build_data(config)[1]
    rows = build_evaluation_rows(config, test, "test")
    whole = build_evaluation_rows(config, test, "valid")
    assert rows.candidates is not None and whole.candidates is None
    return build_model(config, train), rows, rows.candidates


def _top(counts: RankCounts) -> torch.Tensor:
    assert counts.top_items is not None
    return counts.top_items


@pytest.mark.parametrize("mode", ["uni5", "pop5"])
def test_ranks_are_those_among_the_drawn(mode: str, tmp_path: Path) -> None:
    model, rows, candidates = sampled(tmp_path, mode)
    ranks = RankEvaluator(model, 16, top_k=3, items_per_block=7).rank(rows)
    for row, place in enumerate(rows.order.tolist()):
        drawn, target = set(candidates[row].tolist()), int(rows.rows.target[place])
        history = set(rows.history.item[rows.history.row == row].tolist())
        assert len(drawn) == 5 and not drawn & {0, target}
        take = rows.rows.take(torch.tensor([place]))
        with torch.no_grad():
            scorer = model.scorer(take.item_seq, take.seq_len, rows.rows.user[[place]])
        scores = scorer(slice(0, 1), slice(0, rows.n_items))[0]
        for setting, among in (("keep", drawn), ("remove", drawn - history)):
            expected = 1 + sum(bool(scores[item] >= scores[target]) for item in among)
            assert int(ranks[setting].rank[place]) == (7 if rows.repeated[row] and setting == "remove" else expected)
            assert int(ranks[setting].candidates[place]) == 1 + len(among)
        assert {*_top(ranks["keep"])[place].tolist()} <= {*drawn, target}


def test_draws_depend_on_the_seed_alone_and_follow_the_weights(tmp_path: Path) -> None:
    _, _, drawn = sampled(tmp_path, "uni5")
    _, _, same = sampled(tmp_path, "uni5", learning_rate=0.1)
    _, _, other = sampled(tmp_path, "uni5", seed=7)
    assert torch.equal(drawn, same) and not torch.equal(drawn, other)
    weights = torch.tensor([0.0, 1, 2, 4, 8])
    drawn = _draw(weights, torch.full((40_000,), 1), 1, torch.Generator().manual_seed(0)).squeeze(1)
    shares = torch.bincount(drawn, minlength=5) / len(drawn)
    torch.testing.assert_close(shares, torch.tensor([0, 0, 2, 4, 8]) / 14, atol=0.01, rtol=0)


def test_log_and_tables_say_that_the_figures_are_not_comparable(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    from argparse import Namespace

    given = TINY | write_cycle(tmp_path) | SHORT | {"epochs": 1}
    with caplog.at_level(logging.WARNING):
        result = run("SASRec", "cycle", **given, eval_args={"mode": "uni5"})
    assert caplog.text.count("not comparable") == 3  # validation, test, and the test's table
    assert np.load(result.run_dir / "ranks_test.npy").max() <= 6
    options = dict.fromkeys(("baseline", "metrics", "ignore", "test", "split", "labels", "output", "by"))
    for form in ("table", "markdown"):
        compare(Namespace(run_dirs=[result.run_dir], format=form, **options | {"metrics": ["mrr@3"]}))
        assert "among sampled items (uni5)" in (told := capsys.readouterr().out) and "not comparable" in told
    full = run("SASRec", "cycle", **given)
    with pytest.raises(UsageError, match="they are not comparable"):
        compare(Namespace(run_dirs=[result.run_dir, full.run_dir], format="csv", **options))
    assert load_run(full.run_dir).n_users == len(np.load(full.run_dir / "ranks_test.npy"))


@pytest.mark.parametrize(("given", "words"), [
    ({"eval_args": {"mode": "labeled"}}, "eval_args.mode = 'labeled': expected full, or uni100, pop100"),
    ({"eval_args": {"mode": "uni"}}, "eval_args.mode = 'uni'"),
    ({"metrics": ["AUC"], "valid_metric": "AUC"}, "metrics = AUC is computed from labels"),
    ({"metrics": ["NDCG", "RMSE"], "valid_metric": "NDCG@10"}, "metrics = RMSE is computed from labels"),
])  # fmt: skip
def test_what_needs_labels_is_refused_with_the_reason(given: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        config_of(tmp_path, **given)
    assert str(caught.value).startswith(words)


def test_too_many_candidates_and_too_long_lists_are_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="uni20: there are 19 items beside the target; sample fewer"):
        sampled(tmp_path, "uni20")
    with pytest.raises(UsageError, match="topk = 3: each target is ranked among 2 items"):
        sampled(tmp_path, "pop2")
