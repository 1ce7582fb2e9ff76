"""The costs of each line's runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import mean

from recbole_cl.report.groups import RunGroup
from recbole_cl.report.material import Material
from recbole_cl.report.parts import Cell, Grid, Number, Section
from recbole_cl.report.store import StoredRun

Measure = Callable[[StoredRun], float | None]


def cost(material: Material) -> Section:
    """Parameters, time, throughput and memory: means over the runs of a line."""
    grids = tuple(_grid(dataset, groups) for dataset, groups in material.groups.items())
    notes = (
        "Means over seeds. Times are of the machine that each run had (Environment): compare those of one machine.",
        "targets/s: items predicted in training, per second; users/s: users ranked in the test, per second, under both "
        "protocols together.",
        "memory: the most that the process held: on a GPU of the GPU's memory, else of the machine's, where a process "
        "that did several runs counts the largest.",
        "A dash: not recorded, as by earlier versions.",
    )
    return Section("Cost", grids, notes)


def _grid(dataset: str, groups: Sequence[RunGroup]) -> Grid:
    rows = tuple((group.label, *(_cell(group, *how) for how in _COLUMNS.values())) for group in groups)
    return Grid(dataset, ("line", *_COLUMNS), rows)


def _cell(group: RunGroup, measure: Measure, form: str) -> Cell:
    values = [value for run in group.runs if (value := measure(run)) is not None]
    return Number(mean(values), format(mean(values), form)) if values else "-"


def _per_epoch(run: StoredRun) -> float | None:
    return run.seconds["train"] / run.epochs_run if run.epochs_run else None


def _targets_per_second(run: StoredRun) -> float | None:
    if not run.training_targets or not run.epochs_run:
        return None
    return run.training_targets * run.epochs_run / run.seconds["train"]


def _users_per_second(run: StoredRun) -> float | None:
    return run.n_users / run.seconds["test"] if run.seconds.get("test") else None


_COLUMNS: dict[str, tuple[Measure, str]] = {
    "parameters": (lambda run: run.parameters, ",.0f"),
    "epochs": (lambda run: run.epochs_run, ".1f"),
    "best epoch": (lambda run: run.best_epoch, ".1f"),
    "s an epoch": (_per_epoch, ".2f"),
    "targets/s": (_targets_per_second, ",.0f"),
    "users/s": (_users_per_second, ",.0f"),
    "training, s": (lambda run: run.seconds["train"], ",.1f"),
    "evaluation, s": (lambda run: run.seconds["evaluate"], ",.1f"),
    "memory, MiB": (lambda run: run.peak_memory and run.peak_memory / 2**20, ",.0f"),
}
