"""The command `tune`, and what `tune` makes of a search."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import optuna
import pytest

from recbole_cl import SearchResult
from recbole_cl.cli import main
from recbole_cl.search import tune as tune_module
from recbole_cl.search.ranges import Interval


def test_without_optuna_the_command_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tune_module, "find_spec", lambda name: None)
    assert main(["tune", "-m", "SASRec", "--trials=2", "--epochs=1"]) == 2
    assert capsys.readouterr().err == (
        "recbole-cl: error: tune needs Optuna and matplotlib: pip install 'recbole_cl[tune]'\n"
    )


def test_the_command_hands_its_flags_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls: list[tuple[Any, ...]] = []

    def noted(*args: Any, **more: Any) -> SearchResult:
        calls.append((args, more))
        return SearchResult(tmp_path, {}, None)

    monkeypatch.setattr(tune_module, "tune", noted)
    argv = ["tune", "-m", "SASRec", "-d", "toy", "--trials", "3", "--limit-hours=0.5", "--valid_metric=NDCG@10"]
    argv += ["--seeds=1,2", "--seed=7", "--storage=sqlite:///a.db", "--prune-after=4"]
    assert main([*argv, "--pruner=halving", "--first-trial=given"]) == 0
    assert calls == [
        (
            ("SASRec", "toy"),
            {
                "config_files": [],
                "seeds": [1, 2],
                "trials": 3,
                "limit_hours": 0.5,
                "storage": "sqlite:///a.db",
                "prune_after": 4,
                "pruner": "halving",
                "first_trial": "given",
                "valid_metric": "NDCG@10",
                "seed": 7,
            },
        )
    ]


def test_another_workers_trial_that_ends_meanwhile_is_not_mixed_with_the_best(tmp_path: Path) -> None:
    found, space = optuna.create_study(direction="maximize"), optuna.distributions.FloatDistribution(0.0, 1.0)
    best, other = (found.ask(fixed_distributions={"x": space}) for _ in range(2))
    found.tell(best, 0.5)

    def under_way() -> list[int]:
        if found.get_trials()[other.number].state is optuna.trial.TrialState.RUNNING:
            found.tell(other, 0.9)  # just after it was seen
        return [other.number]

    task, folders = SimpleNamespace(ranges={"x": Interval(0.0, 1.0)}), SimpleNamespace(under_way=under_way)
    limits = SimpleNamespace(trials=None)
    search: Any = SimpleNamespace(study=found, task=task, folders=folders, folder=tmp_path, limits=limits)
    assert tune_module._result(search, ()) == SearchResult(tmp_path, {"x": other.params["x"]}, 0.9)
