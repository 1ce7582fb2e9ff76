"""The table of a suite with the runs finished so far, compared with published figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import mean, stdev

from tabulate import tabulate

from recbole_cl.errors import UsageError
from recbole_cl.evaluation.protocol import not_comparable, protocol_of
from recbole_cl.report.groups import RunGroup, refuse_incomparable, sampled_mark, sampled_modes, single_baseline
from recbole_cl.report.render import as_markdown
from recbole_cl.report.store import StoredRun, load_run
from recbole_cl.report.tables import Table, compare_groups, figure_of
from recbole_cl.suites.job import State, failure_of, state_of
from recbole_cl.suites.plan import PlannedRun
from recbole_cl.suites.schema import Suite


@dataclass(frozen=True)
class SuiteResult:
    """The finished part of a suite; printing it shows its table.

    Attributes:
        suite: The suite.
        runs: All its runs, done or not.
    """

    suite: Suite
    runs: Sequence[PlannedRun]

    @cached_property
    def groups(self) -> dict[str, list[RunGroup]]:
        """Dataset -> the lines of its table with all finished runs; lines without any are left out."""
        found: dict[str, dict[str, list[StoredRun]]] = {}
        models = {run.label: run.variant for run in self.runs}
        for run in self.runs:
            if state_of(run) is State.DONE:
                found.setdefault(run.dataset, {}).setdefault(run.label, []).append(load_run(run.folder))
        return {
            dataset: [RunGroup(label, models[label], tuple(runs)) for label, runs in lines.items()]
            for dataset, lines in found.items()
        }

    @property
    def failures(self) -> dict[str, str]:
        """Run -> why it failed."""
        return {str(run): failure_of(run) for run in self.runs if state_of(run) is State.FAILED}

    def tables(self) -> list[Table]:
        """The lines compared with each other, with significance, one table for each dataset and protocol."""
        tables = []
        for dataset, groups in self.groups.items():
            refuse_incomparable([run for group in groups for run in group.runs])
            baseline = single_baseline(groups, self.suite.baseline)
            tables += compare_groups({dataset: groups}, self.suite.metrics, baseline)
        return tables

    def __str__(self) -> str:
        return "\n\n".join([*map(self.text_of, dict.fromkeys(run.dataset for run in self.runs)), *self._notes()])

    def text_of(self, dataset: str, style: str = "simple") -> str:
        """The table of one dataset, under the suite's protocol.

        Args:
            dataset: The dataset.
            style: A table format of tabulate.
        """
        published = self.suite.published.figures.get(dataset, {}) if self.suite.published else {}
        groups = {group.label: group for group in self.groups.get(dataset, [])}
        labels = dict.fromkeys([*(run.label for run in self.runs if run.dataset == dataset), *published])
        header = [f"{dataset}{sampled_mark(groups.values())}", "seeds"]
        for metric in self.suite.metrics:
            header += [metric, "published"] if published else [metric]
        lines = []
        for label in labels:
            group = groups.get(label)
            line = [label, str(len(group.runs)) if group else "-"]
            for metric in self.suite.metrics:
                line += self._cells(group, metric, published.get(label, {}).get(metric), bool(published))
            lines.append(line)
        if style == "pipe":
            lines = [[it.replace("|", "\\|") for it in line] for line in lines]
        alignment = ["left", *["right"] * (len(header) - 1)]
        grid: str = tabulate(lines, headers=header, tablefmt=style, disable_numparse=True, colalign=alignment)
        return grid

    def markdown(self) -> str:
        """All tables as a page."""
        datasets = dict.fromkeys(run.dataset for run in self.runs)
        parts = [f"# {self.suite.title}", *([self.suite.about] if self.suite.about else [])]
        parts += [self.text_of(dataset, "pipe") for dataset in datasets]
        parts += self._notes()
        if any(len(groups) > 1 for groups in self.groups.values()):
            parts.append(f"## Significance\n\n{self._significance()}")
        return "\n\n".join(part.rstrip() for part in parts) + "\n"

    def _significance(self) -> str:
        try:
            return as_markdown(self.tables())
        except UsageError as error:  # variants with different data are not comparable; their figures are still shown
            return str(error)

    def _cells(self, group: RunGroup | None, metric: str, published: float | None, with_published: bool) -> list[str]:
        protocol = protocol_of(self.suite.eval_history).name
        figures = [figure_of(run, protocol, metric) for run in group.runs] if group else []
        spread = f" ± {stdev(figures):.4f}" if len(figures) > 1 else ""
        ours = f"{mean(figures):.4f}{spread}" if figures else "-"
        if not with_published:
            return [ours]
        if published is None:
            return [ours, "-"]
        beside = f" ({100 * (mean(figures) / published - 1):+.1f} %)" if figures and published else ""
        return [ours, f"{published:.4f}{beside}"]

    def _notes(self) -> list[str]:
        kept = self.suite.eval_history == "keep"
        history = (
            "with the users' history left in the ranking" if kept else "with the users' history out of the ranking"
        )
        notes = [f"Mean over seeds, ± their standard deviation, {history}."]
        if self.suite.published:
            notes.append(f"Published: {self.suite.published.source}; in brackets, how far ours lies above or below it.")
        modes = sampled_modes(group for groups in self.groups.values() for group in groups)
        return [*notes, *(f"{not_comparable(mode)}." for mode in modes), *self.progress()]

    def progress(self) -> list[str]:
        """How many runs are done, and which have failed."""
        states = [state_of(run) for run in self.runs]
        counts = {state: states.count(state) for state in State if state in states}
        told = ", ".join(f"{count} {state.value}" for state, count in counts.items())
        return [f"{len(self.runs)} runs: {told}.", *(f"Failed: {run}: {why}" for run, why in self.failures.items())]
