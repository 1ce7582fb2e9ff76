"""Comparison tables as text, Markdown, CSV and LaTeX."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields
from textwrap import wrap

from tabulate import tabulate

from recbole_cl.evaluation.protocol import not_comparable
from recbole_cl.evaluation.significance import PairedTest
from recbole_cl.report.formats import grids_as_latex
from recbole_cl.report.parts import Cell, Grid, Number, text_of
from recbole_cl.report.tables import Row, Table
from recbole_cl.report.users import BY
from recbole_cl.text import cell, printable

_DASH = "-"
_WIDTH, _NARROWEST = 120, 12  # maximum width of a table, and minimum width of its model names, in characters
_PADDING = 2  # that tabulate adds to a heading
_TEST_NAMES: dict[PairedTest, str] = {"t": "paired t-test", "wilcoxon": "Wilcoxon signed-rank test"}
_ROW_FIELDS = [field.name for field in fields(Row)]


def as_text(tables: Sequence[Table]) -> str:
    """Format the tables for a terminal, each with its title above and its notes below."""
    return "\n".join(
        f"{heading}{_title(table)}\n\n{_grid(table, 'simple')}\n\n{_footer(table)}\n"
        for heading, table in _headed(tables, "== {} ==\n\n")
    )


def as_markdown(tables: Sequence[Table]) -> str:
    """Format the tables as Markdown sections."""
    return "\n".join(
        f"{heading}### {_title(table)}\n\n{_grid(table, 'pipe')}\n\n{_footer(table)}\n"
        for heading, table in _headed(tables, "## {}\n\n")
    )


def as_csv(tables: Sequence[Table]) -> str:
    """Write all tables as one CSV with a header: numbers in full precision, empty cells where there is no number.

    If the tables belong to a page, the first column names the comparison.
    """
    buffer = io.StringIO()
    named = ["comparison"] if any(table.comparison for table in tables) else []
    shared = ["dataset", "split", "protocol", "baseline", "test", "users", "family"]
    fields_of_rows = [name for name in _ROW_FIELDS if name != "group" or any(table.by for table in tables)]
    names = [*named, *shared, *fields_of_rows]
    writer = csv.DictWriter(buffer, names, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for table in tables:
        values = (table.dataset, table.split, table.protocol, table.baseline, table.test, table.n_users, table.family)
        common = dict(zip(shared, values, strict=True)) | dict.fromkeys(named, table.comparison)
        for row in table.rows:
            values_of = {**common, **asdict(row)}
            writer.writerow({name: cell(it) if isinstance(it, str) else it for name, it in values_of.items()})
    return buffer.getvalue()


def as_latex(tables: Sequence[Table]) -> str:
    """Write the tables for a paper, each as a float with an explanation of its numbers below it."""
    return grids_as_latex(map(grid_of, tables))


def grid_of(table: Table) -> Grid:
    """A table as a part of a report."""
    keys = 2 + bool(table.by)
    title = ", ".join(part for part in (table.comparison, _title(table)) if part)
    cells: tuple[tuple[Cell, ...], ...] = tuple(tuple(_cells(row)) for row in table.rows)
    if table.by:
        cells = tuple((row.group, *line) for row, line in zip(table.rows, cells, strict=True))
    return Grid(title, tuple(_header(table)), cells, tuple(_notes(table)), keys, keys)


def _headed(tables: Sequence[Table], form: str) -> Iterator[tuple[str, Table]]:
    """Each table with a heading: that of its comparison for its first table, otherwise empty."""
    last = ""
    for table in tables:
        yield (form.format(table.comparison) if table.comparison != last else ""), table
        last = table.comparison


def _title(table: Table) -> str:
    split = ", validation" if table.split == "valid" else ""
    among = "" if table.mode == "full" else f", among sampled items ({table.mode})"
    return printable(f"{table.dataset}{split}, {table.protocol.replace('_', ' ')}{among}")


def _grid(table: Table, style: str) -> str:
    grid = grid_of(table)
    cells = [list(map(text_of, row)) for row in grid.rows]
    cells = [[it.replace("|", "\\|") for it in row] for row in cells] if style == "pipe" else _fitting(grid, cells)
    alignment = ["left"] * grid.words + ["right"] * (len(grid.header) - grid.words)
    text: str = tabulate(cells, headers=list(grid.header), tablefmt=style, disable_numparse=True, colalign=alignment)
    return text


def _fitting(grid: Grid, cells: Sequence[Sequence[str]]) -> list[list[str]]:
    """Breaks the models' names if the table would be too wide for a terminal."""
    widths = [max(len(name) + _PADDING, *map(len, column)) for name, *column in zip(grid.header, *cells, strict=True)]
    place = grid.words - 1
    room = max(_WIDTH - sum(widths) - 2 * (len(widths) - 1) + widths[place], _NARROWEST)
    return [[*row[:place], "\n".join(wrap(row[place], room)), *row[place + 1 :]] for row in cells]


def _header(table: Table) -> list[str]:
    figures = ["seeds", "mean", "std", "diff.", "diff. %", "95 % interval", "p", "p (Holm)", "p (both)"]
    return [*([table.by] if table.by else []), "metric", "model", *figures]


def _cells(row: Row) -> list[Cell]:
    interval = _DASH if row.low is None or row.high is None else f"[{row.low:+.4f}, {row.high:+.4f}]"
    return [
        row.metric,
        printable(row.model),
        Number(row.seeds, str(row.seeds)),
        Number(row.mean, f"{row.mean:.4f}"),
        _number(row.std, ".4f"),
        _number(row.difference, "+.4f"),
        _number(row.percent, "+.1f"),
        interval,
        *(_p_value(p) for p in (row.p, row.p_holm, row.p_both)),
    ]


def _number(value: float | None, form: str) -> Cell:
    return _DASH if value is None else Number(value, format(value, form))


def _p_value(p: float | None) -> Cell:
    return Number(p, "<0.0001") if p is not None and p < 1e-4 else _number(p, ".4f")


def _footer(table: Table) -> str:
    return "\n".join(f"- {note}" for note in _notes(table))


def _notes(table: Table) -> list[str]:
    """Explain the numbers; a p value needs its hypothesis and its family of tests."""
    lines = ["mean, std: over seeds (sample standard deviation; a dash for one seed)."]
    if table.mode != "full":
        lines.append(f"{not_comparable(table.mode)}.")
    if table.split == "valid":
        lines.append("validation of the best epochs, which were chosen by it: to choose settings by, not to report.")
    if table.by:
        lines.append(f"{table.by}: {BY[table.by]}; in brackets, how many users.")
    if any(row.model != table.baseline for row in table.rows):
        lines += [
            f"diff.: to {table.baseline}; its 95 % interval is over users.",
            f"p: two-sided {_TEST_NAMES[table.test]} over {_sample(table)}, each user's metric averaged over "
            "seeds; it does not cover the variance between seeds.",
            f"p (Holm): corrected over the {table.family} comparisons with the baseline in this table (all models and "
            "metrics, this dataset and protocol).",
            f"p (both): {_both_over(table)}; a dash for fewer than two seeds.",
        ]
    return lines


def _sample(table: Table) -> str:
    sample = "the users of each group" if table.by else f"{table.n_users} users"
    rows = " (test rows: if a user has several, they are not independent, and p is too small)"
    return sample + rows * table.of_rows


def _both_over(table: Table) -> str:
    alone = any(row.p is None and row.p_both is not None for row in table.rows)
    sample = "users and seeds together" + " (seeds alone where users have no value of their own)" * alone
    corrected = f", corrected likewise over {table.family_of_both} comparisons" if table.family_of_both else ""
    return f"two-sided t-test over {sample}{corrected}"
