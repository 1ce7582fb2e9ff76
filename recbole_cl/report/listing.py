"""The command `runs`: lists run folders, and how far each run has come."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tabulate import tabulate

from recbole_cl.config.presets import parse_settings
from recbole_cl.errors import UsageError
from recbole_cl.runs.folder import CONFIG, LAST, LOG, RESULT
from recbole_cl.runs.result import parse_result
from recbole_cl.text import printable

FINISHED, UNFINISHED, DAMAGED = "finished", "unfinished", "damaged"


@dataclass(frozen=True)
class Listed:
    """One run folder.

    Attributes:
        state: ``finished``; ``unfinished``: it can be resumed; ``damaged``: its files can't be read.
        valid: The metric of early stopping with its best value; empty if unknown.
        age: Seconds since the last change in the folder.
        folder: The folder.
    """

    model: str
    dataset: str
    seed: int | None
    state: str
    valid: str
    age: float
    folder: Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments of `runs`."""
    parser.add_argument(
        "folders", nargs="*", type=Path, default=[Path("saved")], metavar="FOLDER", help="default: saved"
    )


def main(args: argparse.Namespace) -> int:
    """Prints the runs below the folders, the newest last.

    Returns:
        The exit code, 0.

    Raises:
        UsageError: If a folder is missing.
    """
    runs = sorted((run for folder in args.folders for run in list_runs(folder)), key=lambda run: -run.age)
    if not runs:
        print(printable(f"no runs in {', '.join(map(str, args.folders))}"))
        return 0
    headers = ["model", "dataset", "seed", "state", "best validation", "age", "folder"]
    lines = [[r.model, r.dataset, r.seed, r.state, r.valid, readable_age(r.age), str(r.folder)] for r in runs]
    print(printable(tabulate(lines, headers=headers, disable_numparse=True)))
    return 0


def list_runs(folder: Path) -> Iterator[Listed]:
    """Finds run folders in a folder, at any depth.

    Args:
        folder: Where to look; it may itself be a run folder.

    Yields:
        An entry for each run folder.

    Raises:
        UsageError: If there is no such folder.
    """
    if not folder.is_dir():
        raise UsageError(f"no folder {folder}: give one that holds runs, such as saved")
    for config in sorted(folder.rglob(CONFIG)):
        if not (config.parents[1] / CONFIG).is_file():  # otherwise a complementary encoder, part of that run
            yield _read(config.parent)


def _read(folder: Path) -> Listed:
    age = time.time() - max(
        file.stat().st_mtime for file in (folder / CONFIG, folder / LOG, folder / LAST) if file.is_file()
    )
    try:
        settings = parse_settings((folder / CONFIG).read_bytes(), folder / CONFIG)
        result = parse_result((folder / RESULT).read_bytes(), folder) if (folder / RESULT).is_file() else None
    except (UsageError, OSError):
        return Listed("?", "?", None, DAMAGED, "", age, folder)
    metric = str(settings.get("valid_metric", "")).lower()
    best = f"{metric} {result.valid[metric]:.4f}" if result and metric in result.valid else ""
    state = FINISHED if result else UNFINISHED
    return Listed(
        str(settings.get("model")), str(settings.get("dataset")), settings.get("seed"), state, best, age, folder
    )


def readable_age(seconds: float) -> str:
    """Seconds in the largest unit of which there are at least two, such as ``3 h``."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"
