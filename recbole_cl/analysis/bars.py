"""Lines compared as bars, such as CL4SRec with one operator at a time: ECL-SR's Figure 1 (c), DuoRec's Figure 2."""

from __future__ import annotations

from statistics import mean, stdev
from typing import TYPE_CHECKING

import pandas as pd

from recbole_cl.analysis.drawing import line_style, panels
from recbole_cl.analysis.runs import Drawing, Subject
from recbole_cl.evaluation.protocol import PROTOCOLS
from recbole_cl.report.groups import sampled_mark
from recbole_cl.report.tables import figure_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def bars(subject: Subject) -> Drawing:
    """A metric of each line under both protocols, with its standard deviation over seeds."""
    lines = []
    for dataset, groups in subject.groups.items():
        for group in groups:
            for protocol in PROTOCOLS:
                values = [figure_of(run, protocol.name, subject.metric) for run in group.runs]
                spread = stdev(values) if len(values) > 1 else float("nan")
                line = {"dataset": dataset, "line": group.label, "protocol": protocol.name, "seeds": len(values)}
                lines.append({**line, "mean": mean(values), "std": spread})
    table = pd.DataFrame(lines)

    def draw(figure: Figure) -> None:
        panes = list(table.groupby(["dataset", "protocol"], sort=False))
        most = max(len(its) for _, its in panes)
        axes = panels(figure, len(panes), width=1.6 + 0.7 * most, height=3.6)
        for place, ((dataset, protocol), its) in zip(axes, panes, strict=True):
            colours = [line_style(number)["color"] for number in range(len(its))]
            place.bar(its["line"], its["mean"], yerr=its["std"], capsize=3, color=colours)
            place.set_xticks(range(len(its)), its["line"], rotation=25, ha="right")
            mark = sampled_mark(subject.groups[str(dataset)])
            place.set(title=f"{dataset}, {protocol.replace('_', ' ')}{mark}", ylabel=subject.metric)

    return Drawing(table, draw)
