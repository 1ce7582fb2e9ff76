"""Comparison tables as text, Markdown and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields
from textwrap import wrap

from tabulate import tabulate

from recbole_cl.evaluation.significance import PairedTest
from recbole_cl.report.tables import Row, Table
from recbole_cl.text import cell, printable

_DASH = "-"
_WIDTH, _NARROWEST, _MODEL = 120, 12, 1  # characters of a table, and of the models in it; the models' column
_PADDING = 2  # that tabulate gives a heading
_TEST_NAMES: dict[PairedTest, str] = {"t": "paired t-test", "wilcoxon": "Wilcoxon signed-rank test"}
_ROW_FIELDS = [field.name for field in fields(Row)]


def as_text(tables: Sequence[Table]) -> str:
    """Lay the tables out for a terminal, each under its title and above its footer."""
    return "\n".join(
        f"{heading}{_title(table)}\n\n{_grid(table, 'simple')}\n\n{_footer(table)}\n"
        for heading, table in _headed(tables, "== {} ==\n\n")
    )


def as_markdown(tables: Sequence[Table]) -> str:
    """Lay the tables out as Markdown sections."""
    return "\n".join(
        f"{heading}### {_title(table)}\n\n{_grid(table, 'pipe')}\n\n{_footer(table)}\n"
        for heading, table in _headed(tables, "## {}\n\n")
    )


def as_csv(tables: Sequence[Table]) -> str:
    """Write all tables as one CSV with a header, numbers in full precision, an empty cell where there is none.

    The tables of a page have a first column that names the comparison.
    """
    buffer = io.StringIO()
    named = ["comparison"] if any(table.comparison for table in tables) else []
    shared = ["dataset", "split", "protocol", "baseline", "test", "users", "family"]
    writer = csv.DictWriter(buffer, [*named, *shared, *_ROW_FIELDS], lineterminator="\n")
    writer.writeheader()
    for table in tables:
        values = (table.dataset, table.split, table.protocol, table.baseline, table.test, table.n_users, table.family)
        common = dict(zip(shared, values, strict=True)) | dict.fromkeys(named, table.comparison)
        for row in table.rows:
            values_of = {**common, **asdict(row)}
            writer.writerow({name: cell(it) if isinstance(it, str) else it for name, it in values_of.items()})
    return buffer.getvalue()


def _headed(tables: Sequence[Table], form: str) -> Iterator[tuple[str, Table]]:
    """Each table, behind the heading of its comparison where that begins."""
    last = ""
    for table in tables:
        yield (form.format(table.comparison) if table.comparison != last else ""), table
        last = table.comparison


def _title(table: Table) -> str:
    split = ", validation" if table.split == "valid" else ""
    return printable(f"{table.dataset}{split}, {table.protocol.replace('_', ' ')}")


def _grid(table: Table, style: str) -> str:
    header = [
        "metric",
        "model",
        "seeds",
        "mean",
        "std",
        "diff.",
        "diff. %",
        "95 % interval",
        "p",
        "p (Holm)",
        "p (both)",
    ]
    cells = [_cells(row) for row in table.rows]
    if style == "pipe":
        cells = [[each.replace("|", "\\|") for each in row] for row in cells]
    else:
        cells = _fitting(header, cells)
    alignment = ["left", "left", *["right"] * (len(header) - 2)]
    grid: str = tabulate(cells, headers=header, tablefmt=style, disable_numparse=True, colalign=alignment)
    return grid


def _fitting(header: Sequence[str], cells: Sequence[Sequence[str]]) -> list[list[str]]:
    """Breaks the models' names where the table would be too wide for a terminal."""
    widths = [max(len(name) + _PADDING, *map(len, column)) for name, *column in zip(header, *cells, strict=True)]
    room = max(_WIDTH - sum(widths) - 2 * (len(widths) - 1) + widths[_MODEL], _NARROWEST)
    return [[*row[:_MODEL], "\n".join(wrap(row[_MODEL], room)), *row[_MODEL + 1 :]] for row in cells]


def _cells(row: Row) -> list[str]:
    interval = _DASH if row.low is None or row.high is None else f"[{row.low:+.4f}, {row.high:+.4f}]"
    return [
        row.metric,
        printable(row.model),
        str(row.seeds),
        f"{row.mean:.4f}",
        _number(row.std, ".4f"),
        _number(row.difference, "+.4f"),
        _number(row.percent, "+.1f"),
        interval,
        *(_p_value(p) for p in (row.p, row.p_holm, row.p_both)),
    ]


def _number(value: float | None, form: str) -> str:
    return _DASH if value is None else format(value, form)


def _p_value(p: float | None) -> str:
    return "<0.0001" if p is not None and p < 1e-4 else _number(p, ".4f")


def _footer(table: Table) -> str:
    """Say what the numbers mean; a p value without its hypothesis and its family says nothing."""
    lines = ["mean, std: over seeds (sample standard deviation; a dash for one seed)."]
    if table.split == "valid":
        lines.append("validation of the best epochs, which were chosen by it: to choose settings by, not to report.")
    if len(table.rows) > len({row.metric for row in table.rows}):
        lines += [
            f"diff.: to {table.baseline}; its 95 % interval is over users.",
            f"p: two-sided {_TEST_NAMES[table.test]} over {table.n_users} users, each user's metric averaged over "
            "seeds; it does not cover the variance between seeds.",
            f"p (Holm): corrected over the {table.family} comparisons with the baseline in this table (all models and "
            "metrics, this dataset and protocol).",
            f"p (both): {_both_over(table)}; a dash for fewer than two seeds.",
        ]
    return "\n".join(f"- {line}" for line in lines)


def _both_over(table: Table) -> str:
    alone = any(row.p is None and row.p_both is not None for row in table.rows)
    sample = "users and seeds together" + " (seeds alone where users have no value of their own)" * alone
    corrected = f", corrected likewise over {table.family_of_both} comparisons" if table.family_of_both else ""
    return f"two-sided t-test over {sample}{corrected}"
