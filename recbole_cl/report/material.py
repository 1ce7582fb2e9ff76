"""The input of a report: runs to compare, and information about them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from recbole_cl.errors import UsageError
from recbole_cl.evaluation.protocol import KEPT, HistorySetting, protocol_of
from recbole_cl.report.groups import RunGroup, refuse_incomparable, single_baseline
from recbole_cl.report.store import RunFiles
from recbole_cl.report.tables import Table, compare_groups
from recbole_cl.runs.folder import ENVIRONMENT
from recbole_cl.suites.schema import Published


@dataclass(frozen=True)
class Material:
    """Runs by dataset and line, with the user's choices for the report.

    Attributes:
        title: Title of the report.
        groups: Dataset -> the lines of its tables.
        files: Folder of each run -> its files.
        metrics: Columns; the first one determines the order, and is plotted.
        baseline: As for ``compare_groups``.
        history: The protocol of pictures, and of the published figures.
        published: Published figures to compare ours with.
        notes: Notes at the top.
    """

    title: str
    groups: Mapping[str, Sequence[RunGroup]]
    files: Mapping[Path, RunFiles]
    metrics: Sequence[str]
    baseline: str | None = None
    history: HistorySetting = KEPT.setting
    published: Published | None = None
    notes: tuple[str, ...] = ()

    @property
    def protocol(self) -> str:
        """The name of the protocol of pictures."""
        return protocol_of(self.history).name

    @cached_property
    def compared(self) -> Mapping[str, Sequence[Table] | str]:
        """For each dataset, the tables of both protocols, or the reason why its lines can't be compared."""
        found: dict[str, Sequence[Table] | str] = {}
        for dataset, groups in self.groups.items():
            try:
                refuse_incomparable([run for group in groups for run in group.runs])
                found[dataset] = compare_groups({dataset: groups}, self.metrics, single_baseline(groups, self.baseline))
            except UsageError as error:  # lines with different data: their figures are still shown
                found[dataset] = str(error)
        return found

    def environment(self, run_dir: Path) -> Mapping[str, Any]:
        """The environment that a run was trained in; empty if it was not recorded."""
        content = self.files[run_dir].read(ENVIRONMENT)
        try:
            found = {} if content is None else json.loads(content)
        except ValueError as error:
            raise UsageError(f"{run_dir / ENVIRONMENT} is damaged: {error}") from None
        return found if isinstance(found, dict) else {}
