"""The folder of a run: what lies in it; how it is made, taken up again, and never lost by a mistake."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from logging import getLogger
from pathlib import Path

from recbole_cl.errors import UsageError
from recbole_cl.evaluation.protocol import KEPT, REMOVED

CONFIG = "config.yaml"  # all settings; runs the same again
ENVIRONMENT = "environment.json"  # versions and hardware
LOG = "log.txt"
BEST = "best.pth"  # weights of the best epoch
LAST = "last.pth"  # state after the last whole epoch
RESULT = "result.json"  # last of all: a folder that has it holds a finished run
RANKS = {KEPT.name: "ranks_test.npy", REMOVED.name: "ranks_test_history_removed.npy"}  # each test user's, int32
COMPLEMENT = "complement"  # folder of the complementary encoder's run, which is trained first
COMPLEMENT_SOURCE = "complement.json"  # in there: the data that it was trained on, and the folder that it is from


def resumed_folder(resume: str | Path) -> Path:
    """The run folder that a ``resume`` setting means: itself, or that of a checkpoint in it.

    Raises:
        UsageError: If there is no run to go on with.
    """
    path = Path(resume)
    folder = path.parent if path.is_file() else path
    if not _last(folder):
        raise UsageError(f"resume = {resume}: no {LAST} in {folder}; give a run folder that has one")
    if not (folder / CONFIG).is_file():
        raise UsageError(f"resume = {resume}: no {CONFIG} in {folder}; give a run folder that has one")
    return folder


def is_resumable(folder: Path) -> bool:
    """Whether a folder holds a run that can be taken up."""
    return _last(folder) is not None and (folder / CONFIG).is_file()


def _last(folder: Path) -> Path | None:
    """The state that a run can be taken up from: its own, or before it has begun that of its complementary encoder."""
    begun = (folder / BEST).is_file()
    states = (folder / LAST, *(() if begun else (folder / COMPLEMENT / LAST,)))
    return next((state for state in states if state.is_file()), None)


def new_folder(parent: Path, model: str, dataset: str, seed: int) -> Path:
    """Makes ``<parent>/<model>-<dataset>-<seed>-<time>``, with a number behind it where that exists.

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
    """Removes the folder of a new run that ended before it trained; one that held anything before stays."""
    new = not any(folder.iterdir())
    try:
        yield
    except BaseException:
        if new and not _last(folder):
            shutil.rmtree(folder, ignore_errors=True)
        raise


@contextmanager
def usable_when_interrupted(folder: Path) -> Iterator[None]:
    """Tells where a run that is interrupted, or fails by no mistake in its settings, can be taken up."""
    try:
        yield
    except UsageError:
        raise
    except BaseException as error:
        what = "interrupted" if isinstance(error, KeyboardInterrupt) else f"failed ({type(error).__name__})"
        if is_resumable(folder):
            last = _last(folder)
            getLogger().warning(
                f"{what}: {last} holds the state after the last whole epoch; go on with --resume={folder}"
            )
        else:
            getLogger().warning(f"{what}: {folder} holds nothing to go on from")
        raise
