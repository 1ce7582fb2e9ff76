"""Reading finished runs. U users."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from recbole_cl.config.presets import read_settings
from recbole_cl.errors import UsageError
from recbole_cl.runs.folder import CONFIG
from recbole_cl.writing import PathLike

EvalProtocol = Literal["history_kept", "history_removed"]

RANK_FILES: dict[EvalProtocol, str] = {
    "history_kept": "ranks_test.npy",
    "history_removed": "ranks_test_history_removed.npy",
}
_FIELDS: dict[str, type] = {
    "model": str,
    "dataset": str,
    "seed": int,
    "train_form": str,
    "best_epoch": int,
    "epochs_run": int,
    "seconds": dict,
    "valid": dict,
    "test": dict,
}


@dataclass(frozen=True)
class StoredRun:
    """A finished run as its folder holds it.

    Args:
        path: the run folder.
        train_form: `prefix` or `sequence`.
        seconds: time spent under `data`, `train` and `evaluate`.
        valid: metrics on the validation items.
        test: metrics on the test items, under each protocol.
        ranks: each test user's rank from 1, int32, in ascending internal user id, under each protocol.
        settings: the run's `config.yaml`, or None if the folder has none.
        targets: hash of the test users and targets behind the ranks, or None in a run of an earlier version.

    Shape:
        ranks: [U] each.
    """

    path: Path
    model: str
    dataset: str
    seed: int
    train_form: str
    best_epoch: int
    epochs_run: int
    seconds: Mapping[str, float]
    valid: Mapping[str, float]
    test: Mapping[EvalProtocol, Mapping[str, float]]
    ranks: Mapping[EvalProtocol, NDArray[np.int32]]
    settings: Mapping[str, Any] | None
    targets: str | None = None

    @property
    def n_users(self) -> int:
        """The number of test users."""
        return len(self.ranks["history_kept"])

    def without(self, names: Collection[str]) -> StoredRun:
        """The same run, as if it had not these settings."""
        if self.settings is None:
            return self
        return replace(self, settings={key: value for key, value in self.settings.items() if key not in names})


def load_run(path: PathLike) -> StoredRun:
    """Read a run folder.

    Args:
        path: a folder with `result.json`, the two rank files and, usually, `config.yaml`.

    Raises:
        UsageError: the folder is missing, the run did not finish, or a file is damaged.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise UsageError(f"no run folder {folder}: give the folder that holds result.json")
    result = _read_result(folder)
    ranks = {protocol: _read_ranks(folder / name) for protocol, name in RANK_FILES.items()}
    if len({len(values) for values in ranks.values()}) > 1:
        raise UsageError(f"the rank files in {folder} differ in length: run the test again")
    return StoredRun(path=folder, ranks=ranks, settings=_read_settings(folder / CONFIG), **result)


def _read_result(folder: Path) -> dict[str, Any]:
    file = folder / "result.json"
    if not file.is_file():
        raise UsageError(f"run did not finish: no result.json in {folder}")
    try:
        result = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UsageError(f"{file} is not JSON ({error}): run the test again") from error
    if not isinstance(result, dict):
        raise UsageError(f"{file} holds no object: run the test again")
    for name, kind in _FIELDS.items():
        if not isinstance(result.get(name), kind):
            raise UsageError(f"{file} has no {kind.__name__} {name!r}: it is damaged or of another version")
    for protocol in RANK_FILES:
        if not isinstance(result["test"].get(protocol), dict):
            raise UsageError(f"{file} has no test metrics of {protocol!r}: it is damaged or of another version")
    return {name: result[name] for name in _FIELDS} | {"targets": result.get("targets")}


def _read_ranks(file: Path) -> NDArray[np.int32]:
    if not file.is_file():
        raise UsageError(f"run did not finish: no {file.name} in {file.parent}")
    try:
        ranks = np.load(file, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise UsageError(f"{file} is not an array file ({error}): run the test again") from error
    if not isinstance(ranks, np.ndarray) or ranks.ndim != 1 or ranks.dtype.kind not in "iu" or (ranks < 1).any():
        raise UsageError(f"{file} does not hold one rank from 1 per user: run the test again")
    return ranks.astype(np.int32, copy=False)


def _read_settings(file: Path) -> Mapping[str, Any] | None:
    return read_settings(file) if file.is_file() else None
