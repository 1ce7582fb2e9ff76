"""What the tables of a page of results compare, as stated in the YAML file next to the page.

`<page>.tables.yaml` has a list `tables`. Each of its entries has a `title`, and `runs` in the form that the command
`compare` takes, with paths relative to the file's folder. It may also have `baseline`, `metrics`, `ignore`, `test`,
`split` and `labels`, the options of that command. If one of these is given next to `tables`, it applies to all tables
that do not have it themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from recbole_cl.config.presets import read_settings
from recbole_cl.errors import UsageError
from recbole_cl.evaluation.significance import TESTS, PairedTest
from recbole_cl.report.tables import DEFAULT_METRICS, SPLITS, Split


@dataclass(frozen=True)
class Comparison:
    """Which runs to compare, and how.

    Args:
        runs: run folders, archives, or runs in archives.
        title: its title on a page; empty without a page.
        baseline: see `compare_runs`, as for `metrics` and `test`.
        ignore: settings in which runs of one experiment may differ.
        split: `test` or `valid`; see `compare_runs`, as for `labels`.
    """

    runs: Sequence[Path]
    title: str = ""
    baseline: str | None = None
    metrics: Sequence[str] = DEFAULT_METRICS
    ignore: Sequence[str] = ()
    test: PairedTest = "t"
    split: Split = "test"
    labels: Sequence[str] = ()


_KEYS = [field.name for field in fields(Comparison)]
_LISTS = ("runs", "metrics", "ignore", "labels")
_CHOICES = {"test": TESTS, "split": SPLITS}


def is_page(path: Path) -> bool:
    """Whether a path is that of a page, without its `.md`, that states what its tables compare."""
    return _file_of(path).is_file()


def read_comparisons(page: Path) -> list[Comparison]:
    """Read what the tables of a page compare.

    Args:
        page: path of the page, without its `.md`.

    Raises:
        UsageError: its `.tables.yaml` cannot be read, or an entry is wrong.
    """
    file = _file_of(page)
    shared = read_settings(file)
    entries = shared.pop("tables", None)
    if not isinstance(entries, list) or not entries:
        raise UsageError(f"{file}: tables = {entries!r}: expected a list of tables, each with title and runs")
    found = [_comparison(entry, shared, file) for entry in entries]
    titles = [each.title for each in found]
    if twice := [title for title in titles if titles.count(title) > 1]:
        raise UsageError(f"{file}: title = {twice[0]!r} occurs twice: give each table its own")
    return found


def _file_of(page: Path) -> Path:
    return Path(f"{page}.tables.yaml")


def _comparison(entry: Any, shared: Mapping[str, Any], file: Path) -> Comparison:
    if not isinstance(entry, dict):
        raise UsageError(f"{file}: tables has {entry!r}: expected a mapping with title and runs")
    values = {**shared, **entry}
    for key in ("title", "runs", *values):
        if problem := _problem(key, values.get(key)):
            raise UsageError(f"{file}: {key} = {values.get(key)!r}: {problem}")
    return Comparison(**{**values, "runs": [file.parent / run for run in values["runs"]]})


def _problem(key: str, value: Any) -> str | None:
    if key not in _KEYS:
        return f"no such key, choose from {', '.join(_KEYS)}"
    if key in _LISTS:
        good = isinstance(value, list) and value and all(isinstance(each, str) for each in value)
        return None if good else "expected a list of text, such as [a, b]"
    if choices := _CHOICES.get(key):
        return None if value in choices else f"expected one of {', '.join(choices)}"
    return None if isinstance(value, str) and value else "expected text"
