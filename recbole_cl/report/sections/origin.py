"""The origin of the figures: the settings that distinguish the lines, and the machines that the runs used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from recbole_cl.report.groups import RunGroup, differing_settings
from recbole_cl.report.material import Material
from recbole_cl.report.parts import Grid, Section

_UNSET = "-"
_FIELDS = ("device_name", "threads", "python", "system", "commit")


def settings(material: Material) -> Section:
    """The settings in which lines differ, one column for each line."""
    grids = []
    for dataset, groups in material.groups.items():
        differing = differing_settings(groups)
        names = sorted({name for its in differing for name in its})
        rows = tuple((name, *(its.get(name, _UNSET) for its in differing)) for name in names)
        if rows:
            header = ("setting", *(group.label for group in groups))
            grids.append(Grid(dataset, header, rows, words=len(header)))
    notes = () if grids else ("No settings differ.",)
    return Section("Settings that differ", tuple(grids), (*notes, "A dash: the model has no such setting."))


def environment(material: Material) -> Section:
    """Machines and versions, each with the runs that used it."""
    found: dict[tuple[str, ...], list[str]] = {}
    for groups in material.groups.values():
        for label, run in _runs(groups):
            its = material.environment(run.run_dir)
            found.setdefault(_described(its), []).append(f"{label}, {run.dataset}, seed {run.seed}")
    header = ("runs", *(name.replace("_name", "") for name in _FIELDS), "packages")
    rows = tuple((_listed(runs), *its) for its, runs in found.items())
    return Section("Environment", (Grid("Machines and versions", header, rows, words=len(header)),))


def _runs(groups: Sequence[RunGroup]) -> list[tuple[str, Any]]:
    return [(group.label, run) for group in groups for run in group.runs]


def _described(its: Mapping[str, Any]) -> tuple[str, ...]:
    packages = its.get("packages")
    listed = packages.items() if isinstance(packages, Mapping) else ()
    versions = ", ".join(f"{name} {version}" for name, version in listed if version)
    return (*(str(its.get(name) or _UNSET) for name in _FIELDS), versions or _UNSET)


def _listed(runs: Sequence[str]) -> str:
    return f"{len(runs)} runs" if len(runs) > 3 else "; ".join(runs)
