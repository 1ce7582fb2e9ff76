"""The measurements of a finished run, and its ``result.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import pandas as pd
from tabulate import tabulate

from recbole_cl.errors import UsageError
from recbole_cl.evaluation.protocol import PROTOCOLS
from recbole_cl.runs.folder import RESULT
from recbole_cl.text import printable
from recbole_cl.writing import atomic_write_json


@dataclass(frozen=True, repr=False)
class RunResult:
    """The measurements of a finished run; all of them except the folder are in its ``result.json``.

    Attributes:
        best_epoch: Epoch of the tested weights, counted from 0; -1 if no epoch was run.
        epochs_run: Number of epochs trained, including those before the run was resumed.
        seconds: Time spent on ``data``, ``train`` and ``evaluate``; the last includes the ``test``.
        valid: Metrics of the best epoch on the validation items, under the protocol of ``eval_history``.
        test: Metrics on the test items, with the user's history kept in the ranking and removed from it; empty if no
            part of the data was left for a test.
        targets: Hash of the test users and their targets, in the order of the stored ranks; None in early runs.
        run_dir: The run folder.
        parameters: Number of parameters, trained or frozen; None in early runs, as are the fields below.
        training_targets: Number of items that one epoch predicts.
        peak_memory: The largest number of bytes that the process has held: of GPU memory, or else of main memory.
    """

    model: str
    dataset: str
    seed: int
    train_form: str
    best_epoch: int
    epochs_run: int
    seconds: Mapping[str, float]
    valid: Mapping[str, float]
    test: Mapping[str, Mapping[str, float]]
    targets: str | None
    run_dir: Path
    parameters: int | None = field(default=None, kw_only=True)
    training_targets: int | None = field(default=None, kw_only=True)
    peak_memory: int | None = field(default=None, kw_only=True)

    def __repr__(self) -> str:
        """Names model, dataset, seed and folder, without the figures."""
        return f"{type(self).__name__}({self.model} on {self.dataset}, seed {self.seed}, {str(self.run_dir)!r})"

    def frame(self) -> pd.DataFrame:
        """All metrics as a table: one row for the validation, and one for the test under each protocol.

        Returns:
            Columns ``model``, ``dataset``, ``seed``, ``split`` (valid, test), ``protocol`` (``history_kept``,
                ``history_removed``; empty for the validation, whose protocol is a setting), and one column per metric.
        """
        measured = [("valid", "", self.valid), *(("test", name, values) for name, values in self.test.items())]
        of = {"model": self.model, "dataset": self.dataset, "seed": self.seed}
        return pd.DataFrame([{**of, "split": split, "protocol": name, **it} for split, name, it in measured])

    def table(self) -> str:
        """Test metrics as a text table, one line per protocol."""
        if not self.test:
            return printable(f"{self.model}, {self.dataset}: not tested, since no part of the data was left for it")
        names = list(next(iter(self.test.values())))
        lines = [[protocol.replace("_", " "), *values.values()] for protocol, values in self.test.items()]
        return tabulate(lines, headers=[printable(f"{self.model}, {self.dataset}"), *names], floatfmt=".4f")


# The schema of the file: names and types are those of the class.
_TYPES = {name: kind for name, kind in get_type_hints(RunResult).items() if name != "run_dir"}


def write_result(result: RunResult) -> None:
    """Writes the ``result.json`` of a run into its folder."""
    atomic_write_json(result.run_dir / RESULT, {name: getattr(result, name) for name in _TYPES})


def parse_result(content: bytes, run_dir: Path) -> RunResult:
    """Reads a ``result.json``, of this version or an earlier one.

    Args:
        content: The file's content.
        run_dir: The run folder, for messages and for the result.

    Returns:
        The result; fields that only later versions know are left out.

    Raises:
        UsageError: If the file is damaged.
    """
    file = run_dir / RESULT
    try:
        values = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{file} is not JSON ({error}): run the test again") from error
    if not isinstance(values, dict):
        raise UsageError(f"{file} holds no JSON object: run the test again")
    found: dict[str, Any] = {name: values.get(name) for name in _TYPES}
    for name, kind in _TYPES.items():
        if not _fits(found[name], kind):
            known_as = getattr(kind, "__name__", kind)
            raise UsageError(f"{file} has no {known_as} {name!r}: it is damaged or of another version")
    for protocol in PROTOCOLS:
        if found["test"] and protocol.name not in found["test"]:
            raise UsageError(f"{file} has no test metrics of {protocol.name!r}: it is damaged or of another version")
    return RunResult(**found, run_dir=run_dir)


def _fits(value: object, kind: Any) -> bool:
    """Whether a JSON value has a type that ``RunResult`` declares; an integer also counts as a float."""
    if get_origin(kind) is Mapping:
        return isinstance(value, dict) and all(_fits(each, get_args(kind)[1]) for each in value.values())
    if get_args(kind):  # a union
        return any(_fits(value, each) for each in get_args(kind))
    return type(value) is kind or (kind is float and type(value) is int)
