"""Sensitivity: how the first metric depends on a setting, and heat maps over two settings."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import TYPE_CHECKING, Any

from recbole_cl.analysis.drawing import Draw, heat_map, inline_svg, legend_below, line_style, panels
from recbole_cl.config.settings import canonical
from recbole_cl.report.groups import RunGroup, differing_settings, sampled_mark
from recbole_cl.report.material import Material
from recbole_cl.report.parts import Picture, Section
from recbole_cl.report.tables import figure_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FEWEST = 3  # points of a curve, and lines of a heat map


@dataclass(frozen=True)
class Point:
    """A line of the table: its label, the settings in which its model's lines differ, and the value of each seed."""

    label: str
    settings: Mapping[str, Any]
    values: Sequence[float]


def sweeps(material: Material) -> Section | None:
    """Curves and heat maps of swept settings; None if nothing was swept.

    A curve needs at least three lines of one model that differ in only one number. A heat map needs lines that differ
    only in two numbers, or that have a list of one or two names each, such as pairs of operators, none of them twice.
    """
    pictures = []
    for dataset, groups in material.groups.items():
        for model in dict.fromkeys(_model_of(group) for group in groups):
            members = [group for group in groups if _model_of(group) == model]
            others = [group for group in groups if _model_of(group) != model]
            for title, draw in _drawings(material, members, others):
                pictures.append(Picture(f"{dataset}, {model}: {title}{sampled_mark(groups)}", inline_svg(draw)))
    note = f"Under {material.protocol.replace('_', ' ')}: mean over seeds, and on curves their standard deviation."
    return Section("Sensitivity", tuple(pictures), (note,)) if pictures else None


def _model_of(group: RunGroup) -> str:
    return group.runs[0].model


def _drawings(material: Material, members: Sequence[RunGroup], others: Sequence[RunGroup]) -> list[tuple[str, Draw]]:
    metric = material.metrics[0]

    def values(group: RunGroup) -> list[float]:
        return [figure_of(run, material.protocol, metric) for run in group.runs]

    names = sorted({name for its in differing_settings(members) for name in its})
    points = [
        Point(group.label, {it: (group.runs[0].settings or {}).get(it) for it in names}, values(group))
        for group in members
    ]
    if len(points) < _FEWEST:
        return []
    for name in names:
        if _are_pairs(points, name):
            return [(f"pairs of {name}", _map_of_pairs(points, name, metric))]
    numbers = [name for name in names if all(_is_number(point.settings[name]) for point in points)]
    distinct = {tuple(point.settings[name] for name in numbers) for point in points}
    if len(numbers) == len(names) == 2 and len(distinct) == len(points):
        return [(" and ".join(numbers), _map_of_numbers(points, numbers, metric))]
    levels = {group.label: mean(values(group)) for group in others}
    found = {name: _lines(points, name) for name in numbers}
    return [(name, _curves(lines, name, metric, levels)) for name, lines in found.items() if lines]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _are_pairs(points: Sequence[Point], name: str) -> bool:
    """Whether each line has one or two names, and no other line has the same: then each has a cell of its own."""
    values = [point.settings[name] for point in points]
    return all(map(_is_pair, values)) and len({frozenset(value) for value in values}) == len(points)


def _is_pair(value: object) -> bool:
    return isinstance(value, list) and len(value) in (1, 2) and all(isinstance(it, str) for it in value)


def _lines(points: Sequence[Point], name: str) -> dict[str, list[Point]]:
    """The points that differ in only one setting, under their label or, if they share exactly one part, under that."""
    lines: dict[str, list[Point]] = {}
    for point in points:
        rest = ", ".join(f"{key}={canonical(value)}" for key, value in point.settings.items() if key != name)
        lines.setdefault(rest, []).append(point)
    found = {
        rest: sorted(its, key=lambda it: float(it.settings[name]))
        for rest, its in lines.items()
        if len({it.settings[name] for it in its}) >= _FEWEST
    }
    by_label = {re.split(r" [(\[]", its[0].label)[0]: its for its in found.values()}
    return by_label if len(by_label) == len(found) else found


def _curves(lines: Mapping[str, Sequence[Point]], name: str, metric: str, levels: Mapping[str, float]) -> Draw:
    def draw(figure: Figure) -> None:
        (axes,) = panels(figure, 1, width=6.4, height=3.6)
        for place, (label, points) in enumerate(lines.items()):
            x = [float(point.settings[name]) for point in points]
            spread = [stdev(point.values) if len(point.values) > 1 else float("nan") for point in points]
            y = [mean(point.values) for point in points]
            axes.errorbar(x, y, spread, marker="o", capsize=3, label=label, **line_style(place))
        for place, (label, level) in enumerate(levels.items(), start=len(lines)):
            axes.axhline(level, label=label, **line_style(place) | {"linestyle": "--"})
        axes.set(xlabel=name, ylabel=metric)
        legend_below(figure, axes)

    return draw


def _map_of_numbers(points: Sequence[Point], names: Sequence[str], metric: str) -> Draw:
    cells = {tuple(point.settings[name] for name in names): mean(point.values) for point in points}
    down, right = (sorted({cell[place] for cell in cells}) for place in (0, 1))
    return _map(cells, down, right, (names[0], names[1]), metric)


def _map_of_pairs(points: Sequence[Point], name: str, metric: str) -> Draw:
    cells: dict[tuple[Any, ...], float] = {}
    for point in points:
        one, other = point.settings[name][0], point.settings[name][-1]
        cells[one, other] = cells[other, one] = mean(point.values)
    names = list(dict.fromkeys(one for one, _ in cells))
    return _map(cells, names, names, ("", ""), metric)


def _map(
    cells: Mapping[tuple[Any, ...], float],
    down: Sequence[Any],
    right: Sequence[Any],
    axes_names: tuple[str, str],
    metric: str,
) -> Draw:
    def draw(figure: Figure) -> None:
        (axes,) = panels(figure, 1, width=2.2 + 0.8 * len(right), height=1.4 + 0.5 * len(down))
        values = [[cells.get((row, column), float("nan")) for column in right] for row in down]
        heat_map(axes, values, list(map(str, down)), list(map(str, right)))
        axes.set(xlabel=axes_names[1], ylabel=axes_names[0], title=metric)

    return draw
