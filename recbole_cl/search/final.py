"""The test of the best setting: the only time that a search uses test items."""

from __future__ import annotations

import glob
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from recbole_cl.runs.folder import RESULT, is_resumable
from recbole_cl.runs.lock import LOCK
from recbole_cl.runs.result import RunResult, parse_result
from recbole_cl.runs.runner import run
from recbole_cl.search.task import Task


def test_best(task: Task, values: Mapping[str, Any], folder: Path, seeds: Sequence[int]) -> list[RunResult]:
    """Trains and tests a setting, once for each seed; finished runs are read, interrupted ones are resumed.

    Args:
        task: What was searched.
        values: The values of the best trial.
        folder: Folder for the runs of this setting only.
        seeds: One run for each.

    Returns:
        The results; empty if another process does these runs.
    """
    folder.mkdir(exist_ok=True)
    try:
        with FileLock(folder / LOCK, timeout=0):
            return [_test(task, {**task.settings, **values, "seed": seed}, folder) for seed in seeds]
    except Timeout:
        print(f"another process tests the best setting, in {folder}")
        return []


def _test(task: Task, settings: Mapping[str, Any], folder: Path) -> RunResult:
    stem = f"{task.config['model']}-{task.config['dataset']}-{settings['seed']}-"
    for begun in sorted(folder.glob(f"{glob.escape(stem)}*")):
        if (begun / RESULT).is_file():
            return parse_result((begun / RESULT).read_bytes(), begun)
        if is_resumable(begun):
            return run(task.model, task.dataset, config_files=task.files, **{**settings, "resume": str(begun)})
    return run(task.model, task.dataset, config_files=task.files, **{**settings, "checkpoint_dir": str(folder)})
