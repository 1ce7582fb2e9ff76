"""The runs of a figure, with their names in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from recbole_cl.analysis.drawing import Draw
from recbole_cl.report.groups import RunGroup
from recbole_cl.report.store import StoredRun

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Named:
    """A run with its name in figures: that of its line, plus seed and dataset if several runs share it."""

    name: str
    run: StoredRun


@dataclass(frozen=True)
class Subject:
    """The input of a figure.

    Attributes:
        runs: All runs.
        groups: Dataset -> the same runs as lines of a table.
        weights: ``best``: the tested weights; ``last``: those of the last epoch; or both.
        form: Form of alignment and uniformity: ``unit`` or ``as_is``; see ``loss/geometry.py``.
        metric: Metric of bars, and of the colours of a path.
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
        table: All its data, one line for each point.
        draw: Draws it.
    """

    table: pd.DataFrame
    draw: Draw


MakeFigure = Callable[[Subject], Drawing]


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
