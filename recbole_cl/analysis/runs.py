"""The runs that a figure is of, with the names that it gives them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from recbole_cl.analysis.drawing import Draw
from recbole_cl.report.groups import RunGroup, group_runs, renamed
from recbole_cl.report.store import StoredRun

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Named:
    """A run with its name in figures: its line's, with the seed and the dataset where several share it."""

    name: str
    run: StoredRun


@dataclass(frozen=True)
class Subject:
    """What a figure is asked of.

    Attributes:
        runs: All runs.
        groups: Dataset -> the same runs as lines of a table.
        weights: ``best``: those that were tested; ``last``: those of the last epoch; or both.
        form: Of alignment and uniformity: ``unit`` or ``as_is``; see ``loss/geometry.py``.
        metric: Of bars, and of colours of a path.
    """

    runs: Sequence[Named]
    groups: dict[str, list[RunGroup]]
    weights: Sequence[str]
    form: str
    metric: str


@dataclass(frozen=True)
class Drawing:
    """A figure.

    Attributes:
        table: All that it shows, a line for each point.
        draw: Draws it.
    """

    table: pd.DataFrame
    draw: Draw


MakeFigure = Callable[[Subject], Drawing]


def grouped(runs: Sequence[StoredRun], labels: Sequence[str]) -> dict[str, list[RunGroup]]:
    """Puts repetitions together, for ``Subject``; see ``report/groups.py``.

    Args:
        runs: All of them.
        labels: Other names for the lines, in the order of their first appearance.

    Raises:
        UsageError: If runs are not comparable, or there are other labels than lines.
    """
    return renamed(group_runs(runs), labels)


def named(groups: dict[str, list[RunGroup]]) -> list[Named]:
    """All runs of the groups, with names."""
    found = []
    for dataset, lines in groups.items():
        for group in lines:
            for run in group.runs:
                parts = [group.label]
                parts += [dataset] if len(groups) > 1 else []
                parts += [f"seed {run.seed}"] if len(group.runs) > 1 else []
                found.append(Named(", ".join(parts), run))
    return found
