"""Figures of values that runs recorded during training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from recbole_cl.analysis.drawing import epoch_colours, legend_below, line_style, over_epochs, panels
from recbole_cl.analysis.epochs import Series, read_epochs
from recbole_cl.analysis.runs import Drawing, Named, Subject
from recbole_cl.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_OWN = "diagnostics/"
_NEGATIVES = f"{_OWN}negatives/"
_SUFFIX = {"unit": "", "as_is": "_as_is"}


def geometry(subject: Subject) -> Drawing:
    """Alignment and uniformity, epoch by epoch: DuoRec's Figure 5, AdaptiveRec's Figure 5."""
    table = _geometry(subject)

    def draw(figure: Figure) -> None:
        (axes,) = panels(figure, 1, width=6, height=4.6)
        colours = epoch_colours(figure, [axes], table["epoch"].max())
        for place, (name, its) in enumerate(table.groupby("run", sort=False)):
            axes.plot(its["uniformity"], its["alignment"], label=name, **line_style(place))
            axes.scatter(its["uniformity"], its["alignment"], c=colours.to_rgba(its["epoch"]), s=14, zorder=3)
        axes.set(xlabel=f"uniformity, {subject.form}", ylabel=f"alignment, {subject.form}")
        legend_below(figure, axes)

    return Drawing(table, draw)


def uniformity(subject: Subject) -> Drawing:
    """Uniformity of the last epoch that recorded it, its sign reversed: AdaptiveRec's Figure 3."""
    recorded = _geometry(subject).dropna(subset=["uniformity"])  # a second stage may compare no views
    table = recorded.groupby("run", sort=False).tail(1).reset_index(drop=True)

    def draw(figure: Figure) -> None:
        (axes,) = panels(figure, 1, width=1.5 + 0.9 * len(table), height=3.4)
        axes.bar(table["run"], -table["uniformity"], color=[line_style(i)["color"] for i in range(len(table))])
        axes.tick_params(axis="x", rotation=20)
        axes.set(ylabel=f"- uniformity, {subject.form}")

    return Drawing(table, draw)


def negatives(subject: Subject) -> Drawing:
    """Cosine similarities of negatives, sorted, with one curve per epoch: AdaptiveRec's Figure 2."""
    lines = []
    for each in subject.runs:
        its = _recorded(each, [f"{_NEGATIVES}0.500"], "--diagnostics_every=10, with a method that compares views")
        for tag, series in its.items():
            if tag.startswith(_NEGATIVES):
                share = float(tag.removeprefix(_NEGATIVES))
                lines += [
                    {"run": each.name, "epoch": epoch, "share": share, "similarity": value}
                    for epoch, value in zip(series.epoch.tolist(), series.value.tolist(), strict=True)
                ]
    table = pd.DataFrame(lines).sort_values(["run", "epoch", "share"], ignore_index=True)

    def draw(figure: Figure) -> None:
        groups = list(table.groupby("run", sort=False))
        axes = panels(figure, len(groups), width=4, height=3.2)
        colours = epoch_colours(figure, axes, table["epoch"].max())
        for place, (name, its) in zip(axes, groups, strict=True):
            for epoch, curve in its.groupby("epoch"):
                place.plot(curve["share"], curve["similarity"], color=colours.to_rgba(epoch), linewidth=1)
            place.set(title=name, xlabel="share of negatives", ylabel="cosine similarity")

    return Drawing(table, draw)


def thresholds(subject: Subject) -> Drawing:
    """The threshold, epoch by epoch, with the statistic of the last epoch's negatives: AdaptiveRec's Figure 4."""
    names = ("threshold", "threshold_spread", "statistic")
    columns = {name: f"{_OWN}{name}" for name in names}
    parts = [
        _frame(each, _recorded(each, [columns["statistic"]], "AdaptiveRec, the method that has one"), columns)
        for each in subject.runs
    ]
    table = pd.concat(parts, ignore_index=True)

    def draw(figure: Figure) -> None:
        (axes,) = panels(figure, 1, width=6, height=4)
        for place, (name, its) in enumerate(table.groupby("run", sort=False)):
            style = line_style(place)
            axes.plot(its["epoch"], its["threshold"], label=name, **style)
            low, high = (its["threshold"] + sign * its["threshold_spread"].fillna(0) for sign in (-1, 1))
            axes.fill_between(its["epoch"], low, high, color=style["color"], alpha=0.15, linewidth=0)
            axes.plot(its["epoch"], its["statistic"], ":", color=style["color"], linewidth=1)
        over_epochs(axes, "threshold (band: spread over rows; dots: statistic)")
        legend_below(figure, axes)

    return Drawing(table, draw)


def _geometry(subject: Subject) -> pd.DataFrame:
    """Alignment and uniformity of each run and epoch, with the metric of the validation if there is one."""
    suffix = _SUFFIX[subject.form]
    columns = {name: f"{_OWN}{name}{suffix}" for name in ("alignment", "uniformity")}
    how = "--diagnostics_every=10, with a method that compares views" if suffix else "CL4SRec, DuoRec or AdaptiveRec"
    parts = []
    for each in subject.runs:
        its = _recorded(each, list(columns.values()), how)
        parts.append(_frame(each, its, columns | {subject.metric: f"valid/{subject.metric}"}))
    return pd.concat(parts, ignore_index=True)


def _recorded(each: Named, needed: Sequence[str], how: str) -> Mapping[str, Series]:
    """The values that a run recorded, if all needed ones exist.

    Raises:
        UsageError: If one is missing.
    """
    found = read_epochs(each.run.run_dir)
    missing = [name for name in needed if name not in found]
    if missing:
        what = ", ".join(name.removeprefix(_OWN).partition("/")[0] for name in missing)
        raise UsageError(f"{each.run.run_dir} recorded no {what}: train with {how}, and give the run folder itself")
    return found


def _frame(each: Named, found: Mapping[str, Series], columns: Mapping[str, str]) -> pd.DataFrame:
    """Several values in columns, one line for each epoch that has any of them; NaN where another is missing."""
    series: dict[str, Any] = {
        name: pd.Series(found[tag].value, index=found[tag].epoch) if tag in found else pd.Series(dtype=float)
        for name, tag in columns.items()
    }
    frame = pd.DataFrame(series).rename_axis("epoch").dropna(how="all").reset_index()
    frame.insert(0, "run", each.name)
    return frame
