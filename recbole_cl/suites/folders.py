"""Finds the folder of a run of a suite by the run's settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain, count
from pathlib import Path
from typing import Any

from recbole_cl.config.identity import digest
from recbole_cl.config.presets import read_settings
from recbole_cl.errors import UsageError
from recbole_cl.runs.folder import CONFIG, RESULT


class RunFolders:
    """Finds the folder of a run by its settings."""

    def __init__(self) -> None:
        self._known: dict[Path, dict[str, Path]] = {}
        self._taken: set[Path] = set()

    def of(self, settings: Mapping[str, Any], parent: Path, stem: str) -> Path:
        """The folder that holds such a run, finished ones first; else the folder that every worker would make.

        A folder whose run was resumed under other settings, as with more epochs, keeps its name but is another run's.
        """
        if parent not in self._known:
            stored = list(_stored(parent))
            self._known[parent] = dict(stored)
            self._taken.update(folder for _, folder in stored)
        name = digest(settings)
        if found := self._known[parent].get(name):
            return found
        folders = (parent / f"{stem}-{name}{suffix}" for suffix in chain([""], (f"-{i}" for i in count(2))))
        return next(folder for folder in folders if folder not in self._taken)


def _stored(parent: Path) -> Iterator[tuple[str, Path]]:
    """Digest and folder of each stored run, finished ones last."""
    folders = sorted(path.parent for path in parent.glob(f"*/{CONFIG}"))
    for folder in sorted(folders, key=lambda it: (it / RESULT).is_file()):
        try:
            yield digest(read_settings(folder / CONFIG)), folder
        except UsageError:
            continue  # not one of our folders
