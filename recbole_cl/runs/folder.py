"""The folder of a run: its files, and how it is made, resumed, and protected from accidental removal."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from logging import getLogger
from pathlib import Path

from recbole_cl.errors import UsageError
from recbole_cl.evaluation.protocol import KEPT, REMOVED

CONFIG = "config.yaml"  # all settings; repeats the run
ENVIRONMENT = "environment.json"  # versions and hardware
LOG = "log.txt"
BEST = "best.pth"  # weights of the best epoch
LAST = "last.pth"  # state after the last whole epoch
RESULT = "result.json"  # written last: a folder that has it holds a finished run
RANKS = {KEPT.name: "ranks_test.npy", REMOVED.name: "ranks_test_history_removed.npy"}  # one int32 per test user
COMPLEMENT = "complement"  # folder of the complementary encoder's run, which is trained first
COMPLEMENT_SOURCE = "complement.json"  # in that folder: the data that it was trained on, and where it came from


def resumed_folder(resume: str | Path) -> Path:
    """The run folder that a ``resume`` setting means: the folder itself, or that of a checkpoint in it.

    Raises:
        UsageError: If there is no run to resume.
    """
    path = Path(resume)
    folder = path.parent if path.is_file() else path
    if not _last(folder):
        raise UsageError(f"resume = {resume}: no {LAST} in {folder}; give a run folder that has one")
    if not (folder / CONFIG).is_file():
        raise UsageError(f"resume = {resume}: no {CONFIG} in {folder}; give a run folder that has one")
    return folder


def is_resumable(folder: Path) -> bool:
    """Whether a folder holds a run that can be resumed."""
    return _last(folder) is not None and (folder / CONFIG).is_file()


def _last(folder: Path) -> Path | None:
    """The state to resume from: the run's own, or that of its complementary encoder if the run itself has not begun."""
    begun = (folder / BEST).is_file()
    states = (folder / LAST, *(() if begun else (folder / COMPLEMENT / LAST,)))
    return next((state for state in states if state.is_file()), None)


def new_folder(parent: Path, model: str, dataset: str, seed: int) -> Path:
    """Makes ``<parent>/<model>-<dataset>-<seed>-<time>``, with a number appended if that exists.

    Raises:
        UsageError: If a thousand runs were started in the same second.
    """
    stem = f"{model}-{dataset}-{seed}-{time.strftime('%Y%m%d-%H%M%S')}"
    for suffix in ("", *(f"-{i}" for i in range(2, 1000))):
        folder = parent / f"{stem}{suffix}"
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder
    raise UsageError(f"{parent} is full of runs named {stem}: give another checkpoint_dir")


@contextmanager
def gone_if_useless(folder: Path) -> Iterator[None]:
    """Removes the folder of a new run that ended before training; a folder that held something before is kept."""
    new = not any(folder.iterdir())
    try:
        yield
    except BaseException:
        if new and not _last(folder):
            shutil.rmtree(folder, ignore_errors=True)
        raise


@contextmanager
def usable_when_interrupted(folder: Path) -> Iterator[None]:
    """If a run is interrupted, or fails for a reason other than its settings, logs how to resume it."""
    try:
        yield
    except UsageError:
        raise
    except BaseException as error:
        what = "interrupted" if isinstance(error, KeyboardInterrupt) else f"failed ({type(error).__name__})"
        if is_resumable(folder):
            last = _last(folder)
            getLogger().warning(
                f"{what}: {last} holds the state after the last whole epoch; resume with --resume={folder}"
            )
        else:
            getLogger().warning(f"{what}: {folder} holds nothing to resume from")
        raise
