"""Learning curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from recbole_cl.analysis.drawing import Draw, inline_svg, legend_below, line_style, over_epochs, panels
from recbole_cl.analysis.epochs import Series, read_epochs
from recbole_cl.report.groups import RunGroup, sampled_mark
from recbole_cl.report.material import Material
from recbole_cl.report.parts import Picture, Section

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LOSS = "loss/total"
Recorded = Mapping[Path, Mapping[str, Series]]


def curves(material: Material) -> Section:
    """Validation and loss by epoch, one line for each run that recorded them."""
    pictures, silent = [], 0
    for dataset, groups in material.groups.items():
        recorded = {run.run_dir: read_epochs(run.run_dir) for group in groups for run in group.runs}
        silent += sum(not its for its in recorded.values())
        metric = _validated(groups, recorded, material.metrics[0])
        if any(recorded.values()):
            mark = sampled_mark(groups, "valid")
            pictures.append(Picture(f"{dataset}{mark}", inline_svg(curves_of(groups, recorded, metric))))
    notes = ["A line for each run; a dot on the epoch whose weights were tested."] if pictures else []
    if silent:
        notes.append(f"{silent} runs have no record of their epochs: archives hold none.")
    return Section("Learning curves", tuple(pictures), tuple(notes))


def curves_of(groups: Sequence[RunGroup], recorded: Recorded, metric: str) -> Draw:
    """Draws validation and loss by epoch.

    Args:
        groups: The lines; the runs of one share a colour.
        recorded: Recorded values of each run, by its folder.
        metric: The metric of the validation, such as ``ndcg@10``.
    """

    def draw(figure: Figure) -> None:
        validation, loss = panels(figure, 2)
        for place, group in enumerate(groups):
            label = group.label
            for run in group.runs:
                its = recorded[run.run_dir]
                if valid := its.get(f"valid/{metric}"):
                    validation.plot(valid.epoch, valid.value, label=label, **line_style(place))
                    label = "_"  # one entry in the legend
                    tested = valid.epoch == run.best_epoch
                    validation.plot(valid.epoch[tested], valid.value[tested], "o", color=line_style(place)["color"])
                if total := its.get(_LOSS):
                    loss.plot(total.epoch, total.value, **line_style(place))
        over_epochs(validation, f"{metric}, validation")
        over_epochs(loss, "loss, sum of all terms")
        legend_below(figure, validation)

    return draw


def _validated(groups: Sequence[RunGroup], recorded: Recorded, preferred: str) -> str:
    """The metric to plot: the preferred one if it was recorded, otherwise that of early stopping."""
    if any(f"valid/{preferred}" in its for its in recorded.values()):
        return preferred
    settings = groups[0].runs[0].settings or {}
    return str(settings.get("valid_metric", preferred)).lower()
