"""Reading finished runs. U users."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recbole_cl.config.presets import parse_settings
from recbole_cl.errors import UsageError
from recbole_cl.runs.folder import CONFIG, RANKS, RESULT
from recbole_cl.runs.result import RunResult, parse_result
from recbole_cl.writing import PathLike


@dataclass(frozen=True, repr=False)
class StoredRun(RunResult):
    """A finished run: its measurements, and further data for tables.

    Args:
        ranks: the rank of each test row from 1, int32, by user and time, under each protocol's name; a row is a user,
            except where a split gives users several targets.
        settings: the run's `config.yaml`, or None if there is none.

    Shape:
        ranks: [U] each.
    """

    ranks: Mapping[str, NDArray[np.int32]]
    settings: Mapping[str, Any] | None

    @property
    def n_users(self) -> int:
        """The number of test users."""
        return len(next(iter(self.ranks.values())))

    def without(self, names: Collection[str]) -> StoredRun:
        """The same run without these settings; ``train_form``, which results have as well, is then empty."""
        kept = self.settings and {key: value for key, value in self.settings.items() if key not in names}
        return replace(self, settings=kept, train_form="" if "train_form" in names else self.train_form)

    def of_users(self, inside: NDArray[np.bool_]) -> StoredRun:
        """The same run, as if tested only on some users; measurements that do not follow from their ranks are left out.

        Args:
            inside: which users, [U].
        """
        ranks = {protocol: values[inside] for protocol, values in self.ranks.items()}
        return replace(self, ranks=ranks, test={protocol: {} for protocol in self.test})


@dataclass(frozen=True)
class RunFiles:
    """The files of one run, wherever they are.

    Args:
        path: the run folder, or the archive and the run's name in it.
        read: returns the content of a file, given its name in a run folder; None if it does not exist.
    """

    path: Path
    read: Callable[[str], bytes | None]


def files_in(folder: Path) -> RunFiles:
    """The files of a run folder.

    Raises:
        UsageError: there is no such folder.
    """
    if not folder.is_dir():
        raise UsageError(f"no run folder {folder}: give a folder that holds {RESULT}, or an archive of runs")

    def read(name: str) -> bytes | None:
        file = folder / name
        return file.read_bytes() if file.is_file() else None

    return RunFiles(folder, read)


def load_run(path: PathLike) -> StoredRun:
    """Read a run folder.

    Args:
        path: a folder with `result.json`, the two rank files and, usually, `config.yaml`.

    Raises:
        UsageError: the folder is missing, the run did not finish, or a file is damaged.
    """
    return read_run(files_in(Path(path)))


def read_run(files: RunFiles) -> StoredRun:
    """Read a run from its files.

    Raises:
        UsageError: the run did not finish, or a file is damaged.
    """
    result = parse_result(_content(files, RESULT), files.path)
    if not result.test:
        raise UsageError(f"{files.path} was not tested: no part of its data was left for that; leave it out")
    ranks = {protocol: _ranks(_content(files, name), files.path / name) for protocol, name in RANKS.items()}
    if len({len(values) for values in ranks.values()}) > 1:
        raise UsageError(f"the rank files in {files.path} differ in length: run the test again")
    config = files.read(CONFIG)
    settings = None if config is None else parse_settings(config, files.path / CONFIG)
    return StoredRun(**vars(result), ranks=ranks, settings=settings)


def _content(files: RunFiles, name: str) -> bytes:
    content = files.read(name)
    if content is None:
        raise UsageError(f"run did not finish: no {name} in {files.path}")
    return content


def _ranks(content: bytes, file: Path) -> NDArray[np.int32]:
    try:
        ranks = np.load(io.BytesIO(content), allow_pickle=False)
    except (ValueError, EOFError, MemoryError, OSError, LookupError, TypeError, zipfile.BadZipFile) as error:
        raise UsageError(f"{file} is not an array file ({error}): run the test again") from error
    if not isinstance(ranks, np.ndarray) or ranks.ndim != 1 or ranks.dtype.kind not in "iu" or (ranks < 1).any():
        raise UsageError(f"{file} does not hold one rank from 1 per user: run the test again")
    if not len(ranks) or ranks.max() > np.iinfo(np.int32).max:
        raise UsageError(f"{file} holds no ranks of users, or numbers that are none: run the test again")
    return ranks.astype(np.int32, copy=False)
