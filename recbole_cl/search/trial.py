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
from recbole_cl.runs.folder import LOG, resumed_folder
from recbole_cl.runs.logs import logging_to
from recbole_cl.runs.settings import settings_of
from recbole_cl.runs.training import train
from recbole_cl.search.study import ERROR, GIVEN, LOCK

SECONDS, BEST_EPOCH = "seconds", "best_epoch"  # attributes of a trial


class OutOfTime(Exception):
    """The search's time is up; the trial is resumed when the search is."""


@dataclass(frozen=True)
class TrialRun:
    """What is needed to run a trial.

    Attributes:
        study: Its study.
        folder: Its folder, in which no other process works.
        build: Makes its settings; if the folder of a run is given, the settings to resume it with.
        data: The data, if made beforehand; None if they depend on its values.
        deadline: Time by ``time.monotonic`` after which it stops at the next validation.
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
        resumed, begin = _can_be_resumed(self.folder), time.monotonic()
        before = self.study.get_trials(deepcopy=False)[trial.number].intermediate_values.keys()
        reports = 0

        def on_validation(epoch: int, score: float) -> None:
            nonlocal reports
            reports += 1
            if isfinite(score):  # if not, the model is not validated yet
                if epoch + 1 not in before:  # the last one may be repeated
                    trial.report(score, epoch + 1)  # by the number of epochs
                if GIVEN not in trial.user_attrs and trial.should_prune():
                    raise TrialPruned
            if time.monotonic() > self.deadline:
                raise OutOfTime

        try:
            try:
                state, value = self._train(trial, resumed, on_validation)
            except (UsageError, MemoryError, RuntimeError) as error:
                if not _is_of_the_values(error):
                    raise
                if resumed and not reports:  # the cause may be the folder
                    self.study.enqueue_trial(trial.params)
                else:
                    words, _, _ = " ".join(str(error).split()).partition(
                        f"; {self.folder}"
                    )  # no weights are stored there
                    trial.set_user_attr(ERROR, words[:500])
                state, value = TrialState.FAIL, None
                if not isinstance(error, UsageError):
                    _free_memory()
            finally:
                trial.set_user_attr(SECONDS, trial.user_attrs.get(SECONDS, 0.0) + time.monotonic() - begin)
            self.study.tell(trial, value, state)
        except UpdateFinishedTrialError:
            getLogger().warning(f"trial {trial.number}: other workers considered this process dead and ended the trial")

    def _train(
        self, trial: Trial, resumed: bool, on_validation: Callable[[int, float], None]
    ) -> tuple[TrialState, float | None]:
        config = self.build(self.folder if resumed else None)
        if not resumed:
            _clear(self.folder)
        with logging_to(self.folder / LOG, settings_of(config).log_level or "INFO", terminal_level="WARNING"):
            try:
                data = self.data or build_data(config)
                trained = train(config, self.folder, data, _train_first, on_validation)
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


def _can_be_resumed(folder: Path) -> bool:
    try:
        return bool(resumed_folder(folder))
    except UsageError:
        return False


def _clear(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != LOCK:
            path.unlink()


def _is_of_the_values(error: Exception) -> bool:
    """Whether other values might succeed: the error is about wrong settings, infinite losses or too little memory."""
    known = isinstance(error, UsageError | MemoryError | torch.cuda.OutOfMemoryError)
    return known or "can't allocate memory" in str(error)  # torch's message on a CPU


def _free_memory() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
