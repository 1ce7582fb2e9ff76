"""One trial: trained and validated in its folder, or pruned, or failed; never tested."""

from __future__ import annotations

import gc
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from logging import getLogger
from math import isfinite
from pathlib import Path

import torch
from optuna.exceptions import TrialPruned, UpdateFinishedTrialError
from optuna.study import Study
from optuna.trial import Trial, TrialState

from recbole_cl.config.config import Config
from recbole_cl.errors import UsageError
from recbole_cl.runs.build import Data, build_data
from recbole_cl.runs.folder import LOG, is_resumable
from recbole_cl.runs.lock import LOCK
from recbole_cl.runs.logs import logging_to
from recbole_cl.runs.memory import told_when_memory_runs_out
from recbole_cl.runs.settings import settings_of
from recbole_cl.runs.training import train
from recbole_cl.search.study import ERROR, GIVEN, pause

SECONDS, BEST_EPOCH = "seconds", "best_epoch"  # attributes of a trial


class OutOfTime(Exception):
    """The search's time is up; the trial is resumed when the search is."""


class _Watch:
    """Reports a trial's validations to its study, and stops the trial.

    Args:
        trial: The trial.
        deadline: Time by ``time.monotonic`` after which no epoch begins; the first of this process always does, so that
            every start makes progress.
    """

    def __init__(self, trial: Trial, deadline: float) -> None:
        self._trial, self._deadline = trial, deadline
        self._before = trial.study.get_trials(deepcopy=False)[trial.number].intermediate_values.keys()
        self.reports, self._epochs = 0, 0

    def validated(self, epoch: int, score: float) -> None:
        """Reports a validation. Raises TrialPruned if the trial has fallen behind and was not given by the user."""
        self.reports += 1
        if not isfinite(score):  # the model is not validated yet
            return
        if epoch + 1 not in self._before:  # the last one may be repeated
            self._trial.report(score, epoch + 1)  # by the number of epochs
        behind = self._trial.should_prune()  # asked for every trial: halving thereby compares the others with it
        if behind and GIVEN not in self._trial.user_attrs:
            raise TrialPruned

    def begins(self, epoch: int) -> None:
        """Called before an epoch, when all before it are stored. Raises OutOfTime after the deadline."""
        if self._epochs and time.monotonic() > self._deadline:
            raise OutOfTime
        self._epochs += 1


@dataclass(frozen=True)
class TrialRun:
    """What is needed to run a trial.

    Attributes:
        study: Its study.
        folder: Its folder, in which no other process works.
        build: Makes its settings; if the folder of a run is given, the settings to resume it with.
        data: The data, if made beforehand; None if they depend on its values.
        deadline: Time by ``time.monotonic`` after which it stops at the end of an epoch.
    """

    study: Study
    folder: Path
    build: Callable[[Path | None], Config]
    data: Data | None
    deadline: float

    def __call__(self, trial: Trial) -> None:
        """Runs a trial, resuming it if its process died, and tells the study how it ended.

        Raises:
            OutOfTime: After the deadline.
        """
        resumed, begin = is_resumable(self.folder), time.monotonic()
        watch = _Watch(trial, self.deadline)
        try:
            try:
                state, value = self._train(trial, resumed, watch)
            except (OutOfTime, KeyboardInterrupt):
                pause(trial)
                raise
            except (UsageError, MemoryError) as error:  # about wrong settings, infinite losses, too little memory
                self._note(error, trial, may_be_the_folder=resumed and not watch.reports)
                state, value = TrialState.FAIL, None
            finally:
                trial.set_user_attr(SECONDS, trial.user_attrs.get(SECONDS, 0.0) + time.monotonic() - begin)
            self.study.tell(trial, value, state)
        except UpdateFinishedTrialError:
            getLogger().warning(f"trial {trial.number}: other workers considered this process dead and ended the trial")

    def _note(self, error: UsageError | MemoryError, trial: Trial, may_be_the_folder: bool) -> None:
        """Records why a trial failed; if its folder may be the cause, queues its values again instead."""
        if may_be_the_folder:
            given = {key: it for key, it in trial.user_attrs.items() if key == GIVEN}
            self.study.enqueue_trial(trial.params, user_attrs=given)
        else:
            what = f"out of memory {error}" if isinstance(error, MemoryError) else " ".join(str(error).split())
            words, _, _ = what.partition(f"; {self.folder}")  # no weights are stored there
            trial.set_user_attr(ERROR, words[:500])
        if isinstance(error, MemoryError):
            _free_memory()

    def _train(self, trial: Trial, resumed: bool, watch: _Watch) -> tuple[TrialState, float | None]:
        config = self.build(self.folder if resumed else None)
        if not resumed:
            _clear(self.folder)
        with logging_to(self.folder / LOG, settings_of(config).log_level or "INFO", terminal_level="WARNING"):
            try:
                with told_when_memory_runs_out():
                    data = self.data or build_data(config)
                    trained = train(config, self.folder, data, _train_first, watch.validated, watch.begins)
            except TrialPruned:
                getLogger().info("pruned")
                return TrialState.PRUNED, None
            except UsageError as error:
                getLogger().info(f"failed: {error}")
                raise
        trainer = trained.trainer
        if not isfinite(trainer.best_valid_score) or trainer.best_valid_result is None:
            raise UsageError(f"{trained.epochs_run} epochs without a validation: raise epochs, or lower eval_step")
        trial.set_user_attr(BEST_EPOCH, trainer.best_epoch)
        return TrialState.COMPLETE, float(trainer.best_valid_score)


def _train_first(config: Config, folder: Path, data: Data) -> None:
    train(config, folder, data, _train_first)


def _clear(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != LOCK:
            path.unlink()


def _free_memory() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
