"""Figures for groups of users: by the length of their history, by the popularity of the target, cold and warm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean
from typing import TYPE_CHECKING

from recbole_cl.analysis.drawing import Draw, inline_svg, legend_below, line_style, panels
from recbole_cl.errors import UsageError
from recbole_cl.evaluation.significance import computable_from_ranks
from recbole_cl.report.groups import RunGroup, sampled_mark
from recbole_cl.report.material import Material
from recbole_cl.report.parts import Cell, Grid, Number, Picture, Section
from recbole_cl.report.tables import figure_of
from recbole_cl.report.users import BY, users_by

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DRAWN = ("length", "popularity")
Figures = Mapping[str, Mapping[str, float]]  # group of users -> line -> figure


def users(material: Material) -> Section:
    """The first metric that follows from ranks, for groups of users."""
    title = "Groups of users"
    metric = next(filter(computable_from_ranks, material.metrics), None)
    if metric is None:
        told = f"None of {', '.join(material.metrics)} follows from ranks, so that groups of users have no values."
        return Section(title, (), (told,))
    parts: list[Grid | Picture] = []
    notes = [f"Under {material.protocol.replace('_', ' ')}; in brackets, how many users. Means over seeds."]
    for dataset, groups in material.groups.items():
        try:
            if isinstance(why := material.compared[dataset], str):  # then their users may be others
                raise UsageError(why)
            found = {by: _figures(groups, by, material.protocol, metric) for by in BY}
        except UsageError as error:
            notes.append(f"{dataset}: {error}")
            continue
        drawn, mark = {by: found[by] for by in _DRAWN}, sampled_mark(groups)
        parts.append(Picture(f"{dataset}, {metric}{mark}", inline_svg(_drawing(drawn, metric))))
        parts += [_grid(f"{dataset}, {metric} by {by}{mark}", found[by], BY[by]) for by in BY]
    return Section(title, tuple(parts), tuple(notes))


def _figures(groups: Sequence[RunGroup], by: str, protocol: str, metric: str) -> Figures:
    return {
        name: {
            group.label: mean(figure_of(run.of_users(inside), protocol, metric) for run in group.runs)
            for group in groups
        }
        for name, inside in users_by(groups[0].runs[0], by)
    }


def _grid(title: str, figures: Figures, note: str) -> Grid:
    labels = next(iter(figures.values()))
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (label, *(_cell(its, label) for its in figures.values())) for label in labels
    )
    return Grid(title, ("line", *figures), rows, (note,))


def _cell(figures: Mapping[str, float], label: str) -> Number:
    value = figures[label]
    return Number(value, f"{value:.4f}", value == max(figures.values()) > min(figures.values()))


def _drawing(found: Mapping[str, Figures], metric: str) -> Draw:
    def draw(figure: Figure) -> None:
        most = max(map(len, found.values()))
        axes = panels(figure, len(found), width=max(4.6, 0.72 * most))
        for place, (by, its) in zip(axes, found.items(), strict=True):
            names = [name.replace(" (", "\n(") for name in its]
            for number, label in enumerate(next(iter(its.values()))):
                place.plot(names, [of[label] for of in its.values()], marker="o", label=label, **line_style(number))
            place.set(xlabel=_AXES[by], ylabel=metric)
        legend_below(figure, axes[0])

    return draw


_AXES = {"length": "items before the target (users)", "popularity": "training interactions of the target (users)"}
