"""All lines compared under both protocols, and the tests behind the marks."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from statistics import mean, stdev

from recbole_cl.evaluation.protocol import PROTOCOLS
from recbole_cl.evaluation.significance import computable_from_ranks, split_metric
from recbole_cl.report.groups import RunGroup, sampled_mark
from recbole_cl.report.material import Material
from recbole_cl.report.parts import Cell, Grid, Number, Section
from recbole_cl.report.render import grid_of
from recbole_cl.report.tables import Row, Table, figure_of

_LEVEL = 0.05


def leaderboard(material: Material) -> Section:
    """One table for each dataset and protocol, the best line first."""
    grids = tuple(_board(material, dataset, protocol.name) for dataset in material.groups for protocol in PROTOCOLS)
    notes = [
        "Mean over seeds, ± their standard deviation; in bold, the best of a column, if lines are comparable.",
        "history kept: the items that a user already had stay in the ranking; history removed: they are taken out. "
        "Figures of the two must not be compared with one another.",
        f"One star: differs from the baseline over users, p (Holm) below {_LEVEL}; two: also over users and seeds "
        f"together, p (both) below {_LEVEL}. The tests are described below, under Significance.",
    ]
    if material.published:
        notes.append(f"published: {material.published.source}; in brackets, how far ours lies above or below it.")
    return Section("Leaderboard", grids, tuple(notes))


def significance(material: Material) -> Section:
    """The paired tests, as the command ``compare`` gives them."""
    grids: list[Grid] = []
    notes = []
    for dataset, tables in material.compared.items():
        if isinstance(tables, str):
            notes.append(f"{dataset}: {tables}")
        elif len(material.groups[dataset]) > 1:
            grids += map(grid_of, tables)
    if not grids and not notes:
        notes.append("There is nothing to compare: each dataset has runs of one line only.")
    return Section("Significance", tuple(grids), tuple(notes))


def _board(material: Material, dataset: str, protocol: str) -> Grid:
    groups, metrics = material.groups[dataset], material.metrics
    beside = material.published.figures.get(dataset, {}) if material.published else {}
    beside = beside if protocol == material.protocol else {}
    known = {metric for figures in beside.values() for metric in figures}
    values = {group.label: [_values(group, protocol, metric) for metric in metrics] for group in groups}
    means = [[mean(its[place]) for its in values.values()] for place in range(len(metrics))]
    tables = material.compared[dataset]
    best = [None if isinstance(tables, str) else _best(*it) for it in zip(metrics, means, strict=True)]
    marks = _marks([] if isinstance(tables, str) else tables, protocol)
    rows: list[tuple[Cell, ...]] = []
    for group in sorted(groups, key=lambda it: mean(values[it.label][0]), reverse=not _less_is_better(metrics[0])):
        cells: list[Cell] = [group.label, Number(len(group.runs), str(len(group.runs)))]
        for place, metric in enumerate(metrics):
            ours = values[group.label][place]
            cells.append(_figure(ours, marks.get((group.label, metric), ""), mean(ours) == best[place]))
            if metric in known:
                cells.append(_published(beside.get(group.label, {}).get(metric), mean(ours)))
        rows.append(tuple(cells))
    rows += [_without_runs(label, metrics, its, known) for label, its in beside.items() if label not in values]
    header = ["line", "seeds"]
    for metric in metrics:
        header += [metric, f"{metric}, published"] if metric in known else [metric]
    title = f"{dataset}, {protocol.replace('_', ' ')}{sampled_mark(groups)}"
    return Grid(title, tuple(header), tuple(rows))


def _best(metric: str, means: Sequence[float]) -> float | None:
    """The best of several means; None if all are equal."""
    best = min(means) if _less_is_better(metric) else max(means)
    return best if max(means) > min(means) else None


def _less_is_better(metric: str) -> bool:
    """Whether smaller values are better, as RecBole says of its metrics of popularity and inequality."""
    if computable_from_ranks(metric):
        return False
    from recbole.evaluator.register import smaller_metrics

    return split_metric(metric)[0] in smaller_metrics


def _values(group: RunGroup, protocol: str, metric: str) -> list[float]:
    return [figure_of(run, protocol, metric) for run in group.runs]


def _figure(values: Sequence[float], mark: str, best: bool) -> Number:
    spread = f" ± {stdev(values):.4f}" if len(values) > 1 else ""
    return Number(mean(values), f"{mean(values):.4f}{spread}{mark}", best)


def _published(value: float | None, ours: float) -> Cell:
    if value is None:
        return "-"
    return Number(value, f"{value:.4f}" + (f" ({100 * (ours / value - 1):+.1f} %)" if value else ""))


def _without_runs(
    label: str, metrics: Sequence[str], figures: Mapping[str, float], known: Collection[str]
) -> tuple[Cell, ...]:
    cells: list[Cell] = [label, "-"]
    for metric in metrics:
        value = figures.get(metric)
        cells += ["-", "-" if value is None else Number(value, f"{value:.4f}")] if metric in known else ["-"]
    return tuple(cells)


def _marks(tables: Sequence[Table], protocol: str) -> dict[tuple[str, str], str]:
    return {(row.model, row.metric): _mark(row) for table in tables if table.protocol == protocol for row in table.rows}


def _mark(row: Row) -> str:
    over_users = row.p_holm is not None and row.p_holm < _LEVEL
    over_both = row.p_both is not None and row.p_both < _LEVEL
    return " **" if over_both and (over_users or row.p is None) else " *" if over_users else ""
