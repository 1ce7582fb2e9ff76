"""A study: its folder, its storage, and which process works on each of its trials."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
from filelock import FileLock, Timeout
from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.storages import BaseStorage, RDBStorage, RetryHeartbeatStaleTrialCallback, fail_stale_trials
from optuna.storages._heartbeat import get_heartbeat_thread
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState

from recbole_cl.config.identity import with_added
from recbole_cl.config.settings import canonical
from recbole_cl.data.vocabulary import ITEMS_FILE
from recbole_cl.errors import UsageError
from recbole_cl.runs.lock import LOCK

DATABASE = "study.db"
ERROR = "error"  # attribute of a failed trial: the reason
GIVEN = "given"  # attribute of a first trial that was not drawn: its values
_SETTINGS, _STARTS = "settings", "starts"
_HEARTBEAT, _GRACE = 60, 180  # seconds
_MOST_STARTS = 3  # of a trial whose process dies before the next validation


def pause(trial: Trial) -> None:
    """Notes that a trial was stopped on purpose: earlier starts without progress no longer count."""
    trial.set_user_attr(_STARTS, [None, 0])


class TrialFolders:
    """The trials of a study in its folder, and their locks. If a running trial's lock is free, its process has died.

    Args:
        study: The study.
        folder: Its folder.
        shared: Whether other folders may hold trials of the same study; if so, only those in this folder are resumed.
    """

    def __init__(self, study: Study, folder: Path, shared: bool) -> None:
        self.study, self.folder, self._shared = study, folder, shared

    def of(self, number: int) -> Path:
        """The folder of a trial."""
        return self.folder / f"trial-{number:04d}"

    def take(self, number: int) -> FileLock | None:
        """Locks a trial, or returns None if another process has locked it."""
        folder = self.of(number)
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / LOCK)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return None
        return lock

    def begin_with(self, values: Mapping[str, Any]) -> None:
        """Gives the study's first trial these values; that trial is never pruned.

        Raises:
            UsageError: If the study has begun with others.
        """
        with FileLock(self.folder / LOCK):
            begun = self.study.get_trials(deepcopy=False)
            if not begun:
                self.study.enqueue_trial(dict(values), user_attrs={GIVEN: dict(values)})
                return
            given = next((it.user_attrs[GIVEN] for it in begun if GIVEN in it.user_attrs), None)
        began = f"study {self.study.study_name} began with"
        if given is None:
            raise UsageError(f"{began}out --first-trial given: leave it out, or give another --study")
        for name, value in values.items():
            if given[name] != value:
                raise UsageError(
                    f"{began} {name} = {given[name]} in its first trial, and here {value} is given: give another "
                    "--study, or that value"
                )

    @contextmanager
    def next_trial(self, spaces: Mapping[str, BaseDistribution], most: int | None) -> Iterator[Trial | None]:
        """A trial whose process has died, or else a new one; it is locked while the block runs.

        Args:
            spaces: The distributions of a new trial's values.
            most: Number of trials in the whole study; None for any number.

        Yields:
            The trial, or None if all have been started.
        """
        with FileLock(self.folder / LOCK):
            trial, lock = self._dead(spaces) or self._new(spaces, most)
        if trial is None or lock is None:
            yield None
            return
        try:
            with get_heartbeat_thread(trial._trial_id, self.study._storage):  # as in Optuna's own loop
                yield trial
        finally:
            lock.release()

    def _dead(self, spaces: Mapping[str, BaseDistribution]) -> tuple[Trial, FileLock] | None:
        for frozen in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if self._shared and not self.of(frozen.number).is_dir():
                continue
            if (lock := self.take(frozen.number)) is None:
                continue
            if self.study.get_trials(deepcopy=False)[frozen.number].state is not TrialState.RUNNING:  # just ended
                lock.release()
                continue
            trial = Trial(self.study, frozen._trial_id)
            if frozen.params.keys() == spaces.keys() and self._may_start(trial, frozen):
                return trial, lock
            self.study.tell(trial, state=TrialState.FAIL)
            lock.release()
        return None

    def tidy(self) -> None:
        """Deletes the large files (weights and tokens) of all ended trials except the best one."""
        kept = best_trial(self.study)
        for trial in self.study.get_trials(deepcopy=False):
            if trial.state.is_finished() and (kept is None or trial.number != kept.number):
                for pattern in ("*.pth*", ITEMS_FILE):
                    for file in self.of(trial.number).rglob(pattern):
                        file.unlink(missing_ok=True)

    def under_way(self) -> list[int]:
        """Numbers of the trials that other processes are running."""
        running = self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        return [it.number for it in running if not self._is_free(it.number)]

    def _is_free(self, number: int) -> bool:
        if not self.of(number).is_dir():
            return not self._shared
        lock = self.take(number)
        if lock:
            lock.release()
        return lock is not None

    def _may_start(self, trial: Trial, frozen: FrozenTrial) -> bool:
        """Counts starts without progress; drops a trial that kills its process each time, as by using much memory."""
        done = len(frozen.intermediate_values)
        before = frozen.user_attrs.get(_STARTS, [done, 1])
        starts = before[1] + 1 if before[0] == done else 1
        trial.set_user_attr(_STARTS, [done, starts])
        if starts > _MOST_STARTS:
            trial.set_user_attr(ERROR, f"its process ended {_MOST_STARTS} times before the next validation")
        return starts <= _MOST_STARTS

    def _new(self, spaces: Mapping[str, BaseDistribution], most: int | None) -> tuple[Trial | None, FileLock | None]:
        with without_warnings():
            fail_stale_trials(self.study)  # trials of other machines; they are started again under new numbers
            waiting = any(it.state is TrialState.WAITING for it in self.study.get_trials(deepcopy=False))
            if not waiting and most is not None and len(counted(self.study)) >= most:
                return None, None
            trial = self.study.ask(fixed_distributions=dict(spaces))
        return trial, self.take(trial.number)


def counted(study: Study) -> list[FrozenTrial]:
    """All trials except those that were started again under another number."""
    return [it for it in study.get_trials() if it.state is not TrialState.FAIL or ERROR in it.user_attrs]


def best_trial(study: Study) -> FrozenTrial | None:
    """The trial with the best score (the first one of equals); None if no trial has finished."""
    ended = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    best = max if study.direction is StudyDirection.MAXIMIZE else min
    return best(ended, key=lambda it: it.values[0], default=None)


def open_study(
    name: str,
    storage: str | BaseStorage | None,
    folder: Path,
    settings: Mapping[str, Any],
    *,
    maximize: bool,
    **parts: Any,
) -> Study:
    """Begins a study, or resumes it.

    Args:
        name: Its name in the storage.
        storage: One of Optuna's, or the URL of a database; None for a file in the folder.
        folder: The study's folder, which exists.
        settings: The common settings of all trials, and the ranges; to resume a study, they must be the same as before.
        maximize: Whether larger scores are better.
        **parts: Sampler and pruner.

    Raises:
        UsageError: If the storage can't be opened, or holds a study of the same name with other settings.
    """
    direction = StudyDirection.MAXIMIZE if maximize else StudyDirection.MINIMIZE
    try:
        with without_warnings(), FileLock(folder / LOCK):
            backend = _storage(storage, folder)
            study = optuna.create_study(
                storage=backend, study_name=name, direction=direction, load_if_exists=True, **parts
            )
            if _SETTINGS not in study.user_attrs:
                study.set_user_attr(_SETTINGS, {key: canonical(value) for key, value in settings.items()})
    except (ImportError, ValueError, RuntimeError, _database_errors()) as error:
        what = " ".join(str(error).split())[:300]
        raise UsageError(f"--storage {storage or folder / DATABASE} can't be used: {what}") from error
    _refuse_another(study, settings)
    return study


def _refuse_another(study: Study, settings: Mapping[str, Any]) -> None:
    begun = study.user_attrs[_SETTINGS]
    both = with_added(begun), with_added(settings)
    for key in {**begun, **settings}:
        before, here = (canonical(them.get(key, "nothing")) for them in both)
        if before != here:
            raise UsageError(
                f"study {study.study_name} began with {key} = {before}, and here it is {here}: give another --study, "
                "or those settings"
            )


def _storage(given: str | BaseStorage | None, folder: Path) -> str | BaseStorage:
    if given is None:  # locks show which trials have died
        return RDBStorage(
            f"sqlite:///{(folder / DATABASE).absolute()}", engine_kwargs={"connect_args": {"timeout": 60}}
        )
    if isinstance(given, BaseStorage) or given.startswith("redis"):
        return given
    again = RetryHeartbeatStaleTrialCallback(max_retry=_MOST_STARTS)
    beats: dict[str, Any] = {"heartbeat_interval": _HEARTBEAT, "grace_period": _GRACE}
    return RDBStorage(given, heartbeat_stale_trial_callback=again, **beats)


def _database_errors() -> type[Exception]:
    from sqlalchemy.exc import SQLAlchemyError  # which Optuna's storages are made with

    return SQLAlchemyError


@contextmanager
def told_when_storage_fails(folder: Path) -> Iterator[None]:
    """Reports in one line that a study can't be read or written any more, as on a full disk.

    Args:
        folder: The study's folder.

    Raises:
        UsageError: With the database's reason.
    """
    try:
        yield
    except (StorageInternalError, _database_errors()) as error:
        cause: Any = error.__cause__ if isinstance(error, StorageInternalError) else error
        words = " ".join(str(getattr(cause, "orig", cause) or error).split())[:200]
        raise UsageError(
            f"the study in {folder} can't be read or written: {words}; mend that, and the same command resumes it"
        ) from error


@contextmanager
def without_warnings() -> Iterator[None]:
    """Hides Optuna's warnings: functions called in the block are experimental, or meant for Optuna's own loop."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        warnings.filterwarnings("ignore", message="Heartbeat of storage")
        yield
