"""Draws the pictures beside the pages, from the tables on them: ``python results/draw.py``, with the extra ``plot``.

``<page>.tables.md`` gives ``<page>.svg``: how far each model's NDCG@10 is from the baseline's, in per cent, with the
95 % interval over users, under both protocols. ``speed.md`` gives ``speed.svg``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from recbole_cl.analysis.drawing import inline_svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FOLDER = Path(__file__).parent
PROTOCOLS = ("history kept", "history removed")
METRIC = "ndcg@10"
# Settings that a table's labels have beside a model's name, in fewer words.
_SHORTER = {
    "replacement_": "",
    "similarity_threshold": "threshold",
    "threshold_": "",
    "contrastive_weight": "weight",
    "train_batch_size": "batch",
    "neuron_masking": "masking",
}
_LETTERS = 90  # of a label


class Difference(NamedTuple):
    """A model beside its table's baseline, in per cent of the baseline's mean."""

    comparison: str
    protocol: str
    model: str
    seeds: int
    percent: float
    low: float
    high: float


def rows_below(text: str) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Yields every row of a page's tables with the two headings above it."""
    title = heading = ""
    names: list[str] = []
    for line in text.splitlines():
        if line.startswith("## "):
            title = heading = line[3:]
        elif line.startswith("### "):
            heading = line[4:]
        elif line.startswith("|"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if not names:
                names = cells
            elif not re.fullmatch(r":?-{2,}:?", cells[0]):
                yield title, heading, dict(zip(names, cells, strict=True))
        else:
            names = []


def differences(page: str) -> list[Difference]:
    """The differences in METRIC of a page, in the order of its tables."""
    found, mean, baseline = [], 0.0, ""
    for title, heading, row in rows_below((FOLDER / f"{page}.tables.md").read_text(encoding="utf-8")):
        if row.get("metric") != METRIC:
            continue
        if row["diff. %"] == "-":
            mean, baseline = float(row["mean"]), row["model"]
            continue
        comparison, _, protocol = heading.rpartition(", ")
        comparison = title if title not in ("", heading) else comparison  # some have no title of their own
        low, high = (100 * float(end) / mean for end in row["95 % interval"].strip("[]").split(","))
        against = f"{comparison.split(':')[0]} (0 is {shorter(baseline)})"
        model = told_apart(row["model"], baseline)
        found.append(Difference(against, protocol, model, int(row["seeds"]), float(row["diff. %"]), low, high))
    return found


def settings_of(label: str) -> list[str]:
    """What a label has in brackets: ``DuoRec [temperature=1, similarity=dot]`` has two settings."""
    inside = re.fullmatch(r".* \[(.*)\]", label)
    return re.split(r", (?=\w+=)", inside[1]) if inside else []


def told_apart(label: str, baseline: str) -> str:
    """A model's label without the settings that it shares with the baseline, short enough for a picture."""
    own = [setting for setting in settings_of(label) if setting not in settings_of(baseline)]
    return shorter(f"{label.split(' [')[0]} [{', '.join(own)}]" if own else label)


def shorter(label: str) -> str:
    """A label in at most _LETTERS letters."""
    for long, short in _SHORTER.items():
        label = label.replace(long, short)
    return label if len(label) <= _LETTERS else f"{label[: _LETTERS - 2]} ..."


def draw_differences(figure: Figure, found: list[Difference]) -> None:
    """One row for each model of each comparison, one column for each protocol. A hollow dot is a single seed."""
    lines = list(dict.fromkeys((it.comparison, it.model) for it in found))
    labels: list[tuple[str, str]] = []  # of a comparison, then of its models
    for comparison in dict.fromkeys(it.comparison for it in found):
        labels += [(comparison, ""), *(line for line in lines if line[0] == comparison)]
    place = {label: -index for index, label in enumerate(labels)}
    figure.set_size_inches(
        5 + 0.07 * max(len(model or comparison) for comparison, model in labels), 0.9 + 0.22 * len(labels)
    )
    axes = figure.subplots(1, len(PROTOCOLS), sharey=True, sharex=True)
    for axis, protocol in zip(axes, PROTOCOLS, strict=True):
        axis.axvline(0, color="#7f7f7f", linewidth=1)
        for it in (it for it in found if it.protocol == protocol):
            y = place[it.comparison, it.model]
            axis.plot([it.low, it.high], [y, y], color="#0072b2")
            axis.plot(it.percent, y, "o", color="#0072b2", markerfacecolor="#0072b2" if it.seeds > 1 else "white")
        axis.set_title(protocol, fontsize=9)
        axis.grid(axis="y", visible=False)
        axis.set_ylim(0.5 - len(labels), 0.5)
    figure.supxlabel(
        f"difference in {METRIC.upper()}, %, with its 95 % interval over users; hollow: one seed", fontsize=9
    )
    axes[0].set_yticks(list(place.values()), [model or comparison for comparison, model in labels])
    for text, (_, model) in zip(axes[0].get_yticklabels(), labels, strict=True):
        text.set_color("#000000" if model else "#7f7f7f")


def draw_speed(figure: Figure) -> None:
    """How many times faster an epoch is than that of RecBole's SASRec."""
    column = "RecBole's epoch / this"
    page = (FOLDER / "speed.md").read_text(encoding="utf-8")
    rows = [row for title, _, row in rows_below(page) if title == "Training" and column in row]
    names = [f"{row['model']}, {row['form']} form" for row in rows]
    ratios = [float(row[column]) for row in rows]
    figure.set_size_inches(7, 0.8 + 0.26 * len(rows))
    axis = figure.subplots()
    colours = ["#7f7f7f" if name.startswith("RecBole") else "#0072b2" for name in names]
    bars = axis.barh(names[::-1], ratios[::-1], color=colours[::-1])
    axis.bar_label(bars, [f"{ratio:.1f}" for ratio in ratios[::-1]], padding=3)
    axis.set_xlabel("epochs in the time of one epoch of RecBole's SASRec")
    axis.grid(axis="y", visible=False)


def pictures() -> Iterator[tuple[str, str]]:
    """Yields the name and the content of each picture."""
    for file in sorted(FOLDER.glob("*.tables.md")):
        page = file.name.removesuffix(".tables.md")
        found = differences(page)
        yield f"{page}.svg", inline_svg(lambda figure, found=found: draw_differences(figure, found))  # type: ignore[misc]
    yield "speed.svg", inline_svg(draw_speed)


if __name__ == "__main__":
    for name, content in pictures():
        (FOLDER / name).write_text(f"{content}\n", encoding="utf-8")
