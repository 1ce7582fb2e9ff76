"""One trial by itself."""

from __future__ import annotations

import math
from contextlib import suppress
from pathlib import Path
from typing import Any

import optuna

from recbole_cl.errors import UsageError
from recbole_cl.search import study
from recbole_cl.search.trial import TrialRun


def test_a_trial_that_is_queued_again_is_still_the_given_one(tmp_path: Path) -> None:
    """A resumed trial that fails before its first validation may have a damaged folder."""
    found = optuna.create_study(storage=optuna.storages.InMemoryStorage())
    spaces: dict[str, Any] = {"x": optuna.distributions.FloatDistribution(0.0, 1.0)}
    found.enqueue_trial({"x": 0.5}, user_attrs={study.GIVEN: {"x": 0.5}, "other": 1})

    def fails(folder: Path | None) -> Any:
        raise UsageError("damaged")

    for name in ("config.yaml", "last.pth"):
        (tmp_path / name).touch()
    TrialRun(found, tmp_path, fails, None, math.inf)(found.ask(fixed_distributions=spaces))
    failed, again = found.get_trials()
    assert failed.state is optuna.trial.TrialState.FAIL and study.ERROR not in failed.user_attrs
    assert again.user_attrs == {study.GIVEN: {"x": 0.5}} and found.ask(fixed_distributions=spaces).params == {"x": 0.5}


def test_starts_that_the_user_ends_are_not_counted(tmp_path: Path) -> None:
    """Those that end by themselves are: such a trial may take more memory than there is."""
    found = optuna.create_study(storage=optuna.storages.InMemoryStorage())
    folders = study.TrialFolders(found, tmp_path, shared=False)

    def interrupted(folder: Path | None) -> Any:
        raise KeyboardInterrupt

    for _ in range(5):
        with folders.next_trial({}, most=1) as trial, suppress(KeyboardInterrupt):
            assert trial is not None
            TrialRun(found, folders.of(trial.number), interrupted, None, math.inf)(trial)
    assert [it.state for it in found.get_trials()] == [optuna.trial.TrialState.RUNNING]
