"""The loop of a search: runs trials until there are enough, or the time is up."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock
from optuna import logging as optuna_logging
from optuna.pruners import BasePruner, MedianPruner, SuccessiveHalvingPruner
from optuna.storages import BaseStorage
from optuna.trial import Trial, TrialState

from recbole_cl.errors import UsageError
from recbole_cl.runs.build import build_data
from recbole_cl.runs.lock import LOCK
from recbole_cl.runs.settings import settings_of
from recbole_cl.search.drawing import NumberedTPE, distributions, settings_of_trial, trial_of_settings
from recbole_cl.search.report import best_lines, write_best, write_plots, write_table
from recbole_cl.search.study import ERROR, TrialFolders, best_trial, counted, open_study
from recbole_cl.search.task import Task
from recbole_cl.search.trial import OutOfTime, TrialRun

_TRIALS_BEFORE_PRUNING = 5
_KEPT_OF = 3  # halving keeps the best third
_MOST_FAILURES = 10  # if the first so many trials of a study fail, the cause is not their values


@dataclass(frozen=True)
class Limits:
    """How long a search runs, and when it stops trials early.

    Attributes:
        trials: Number of trials in the whole study; None for any number.
        seconds: Time limit of this call; infinite for no limit.
        prune_after: Number of epochs before which no trial is pruned.
        random_trials: Number of first trials that are drawn at random.
        pruner: One of ``tune.PRUNERS``.
        first_as_given: Whether the first trial has the settings as given.
    """

    trials: int | None
    seconds: float
    prune_after: int
    random_trials: int
    pruner: str
    first_as_given: bool

    def make_pruner(self) -> BasePruner:
        """Optuna's pruner."""
        if self.pruner == "halving":
            return SuccessiveHalvingPruner(max(1, self.prune_after), reduction_factor=_KEPT_OF)
        return MedianPruner(_TRIALS_BEFORE_PRUNING, n_warmup_steps=self.prune_after + 1)


class Search:
    """A search in its folder.

    Args:
        task: What is searched.
        limits: Its limits.
        folder: Folder of the study; made if it is missing.
        name: Name of the study.
        storage: See ``open_study``.

    Raises:
        UsageError: If the data or the storage cannot be used, or the study was begun with other settings.
    """

    def __init__(self, task: Task, limits: Limits, folder: Path, name: str, storage: str | BaseStorage | None) -> None:
        optuna_logging.set_verbosity(optuna_logging.WARNING)
        self.task, self.limits, self.folder = task, limits, folder
        self.metric = str(task.config["valid_metric"])
        first = trial_of_settings(task.config.settings_dict(), task.ranges) if limits.first_as_given else {}
        data = build_data(task.config)
        self._data = None if task.data_vary() else data
        folder.mkdir(parents=True, exist_ok=True)
        self.study = open_study(
            name,
            storage,
            folder,
            task.identity(data),
            maximize=bool(task.config["valid_metric_bigger"]),
            sampler=NumberedTPE(settings_of(task.config).seed, limits.random_trials),
            pruner=limits.make_pruner(),
        )
        self.folders = TrialFolders(self.study, folder, shared=storage is not None)
        if limits.first_as_given:
            self.folders.begin_with(first)

    def run(self) -> None:
        """Runs trials until there are enough, or the time is up.

        Raises:
            UsageError: If all of the first trials fail.
        """
        deadline, spaces = time.monotonic() + self.limits.seconds, distributions(self.task.ranges)
        try:
            while time.monotonic() < deadline:
                with self.folders.next_trial(spaces, self.limits.trials) as trial:
                    if trial is None:
                        break
                    self._run(trial, deadline)
                self.report()
                self._refuse_if_all_fail()
        except OutOfTime:
            print("time is up: the same command resumes this trial")
        except KeyboardInterrupt:
            print(f"stopped: the same command resumes the search in {self.folder}")
            raise
        self.report(plots=True)

    def report(self, plots: bool = False) -> None:
        """Writes the results so far, and deletes what is no longer needed."""
        with FileLock(self.folder / LOCK):
            write_table(self.folder, self.study, self.task.ranges)
            write_best(self.folder, self.study, self.task.written(), self.task.ranges, self.metric)
            self.folders.tidy()
            if plots:
                write_plots(self.folder, self.study)
        if plots:
            print(best_lines(self.study, self.task.ranges, self.metric))

    def _run(self, trial: Trial, deadline: float) -> None:
        values = settings_of_trial(trial.params, self.task.ranges)
        print(f"trial {trial.number}: {_words(values)}", flush=True)
        run = TrialRun(
            self.study,
            self.folders.of(trial.number),
            lambda resumed: self.task.config_of(values, resumed),
            self._data,
            deadline,
        )
        run(trial)
        print(f"trial {trial.number}: {self._outcome(trial.number)}", flush=True)

    def _outcome(self, number: int) -> str:
        ended, best = self.study.get_trials(deepcopy=False)[number], best_trial(self.study)
        if ended.state is TrialState.FAIL:
            return f"failed: {ended.user_attrs.get(ERROR, 'to be begun again')}"
        state = "pruned after" if ended.state is TrialState.PRUNED else "ended after"
        score = math.nan if ended.value is None else ended.value
        rest = f"; best so far: {best.value:.6f}, trial {best.number}" if best else ""
        return f"{state} {len(ended.intermediate_values)} validations, {self.metric} {score:.6f}{rest}"

    def _refuse_if_all_fail(self) -> None:
        ended = [it for it in counted(self.study) if it.state.is_finished()]
        if len(ended) >= _MOST_FAILURES and all(it.state is TrialState.FAIL for it in ended):
            last = ended[-1].user_attrs[ERROR]
            raise UsageError(f"all of the first {len(ended)} trials failed, the last by: {last}; see {self.folder}")


def _words(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {it:.6g}" if isinstance(it, float) else f"{key} {it}" for key, it in values.items())
