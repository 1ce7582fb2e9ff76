"""The tables of a report as Markdown, CSV and LaTeX."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from tabulate import tabulate

from recbole_cl.report.parts import Cell, Grid, Report, text_of
from recbole_cl.text import cell as safe

_LATEX = {
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "±": r"$\pm$",
}


def report_as_markdown(report: Report) -> str:
    """All tables as a page, without the pictures."""
    parts = [f"# {report.title}", _bullets(report.notes)]
    for section in report.sections:
        grids = [part for part in section.parts if isinstance(part, Grid)]
        if not grids and not section.notes:
            continue
        parts += [f"## {section.title}", _bullets(section.notes)]
        for grid in grids:
            parts += [f"### {grid.title}", _pipes(grid), _bullets(grid.notes)]
    return "\n\n".join(part for part in parts if part) + "\n"


def report_as_csv(report: Report) -> str:
    """All tables as one, one line per cell: section, table, row (from 1), row name, column, value (full precision)."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["section", "table", "row", "name", "column", "value"])
    for section, grid in report.grids():
        for number, row in enumerate(grid.rows, start=1):
            name = ", ".join(text_of(cell) for cell in row[: grid.keys])
            for column, cell in zip(grid.header[grid.keys :], row[grid.keys :], strict=True):
                value = safe("" if cell == "-" else cell) if isinstance(cell, str) else repr(cell.value)
                writer.writerow([*map(safe, (section.title, grid.title)), number, *map(safe, (name, column)), value])
    return buffer.getvalue()


def report_as_latex(report: Report) -> str:
    """All tables for a paper; see ``grids_as_latex``."""
    return grids_as_latex(grid for _, grid in report.grids())


def grids_as_latex(grids: Iterable[Grid]) -> str:
    """Tables for a paper, each in its own float.

    Args:
        grids: The tables.

    Returns:
        LaTeX that needs the package booktabs.
    """
    return "% needs \\usepackage{booktabs}\n" + "\n".join(map(_booktabs, grids))


def _booktabs(grid: Grid) -> str:
    columns = "l" * grid.words + "r" * (len(grid.header) - grid.words)
    lines = [r"\begin{table}", r"  \centering", rf"  \caption{{{_escaped(grid.title)}}}"]
    lines += [rf"  \begin{{tabular}}{{{columns}}}", r"    \toprule"]
    lines.append(f"    {_line(grid.header)}")
    lines.append(r"    \midrule")
    lines += [f"    {_line(row)}" for row in grid.rows]
    lines += [r"    \bottomrule", r"  \end{tabular}"]
    if grid.notes:
        lines.append(rf"  \par\smallskip\footnotesize {_escaped(' '.join(grid.notes))}")
    return "\n".join([*lines, r"\end{table}", ""])


def _line(cells: Iterable[Cell]) -> str:
    return " & ".join(map(_latex_cell, cells)) + r" \\"


def _latex_cell(cell: Cell) -> str:
    text = _escaped(text_of(cell))
    # A bracket at the beginning of a row would be read as an argument of the preceding \\.
    text = f"{{}}{text}" if text.startswith("[") else text
    return rf"\textbf{{{text}}}" if isinstance(cell, tuple) and cell.best else text


def _escaped(text: str) -> str:
    return "".join(_LATEX.get(sign, sign) for sign in text)


def _pipes(grid: Grid) -> str:
    def cell_of(cell: Cell) -> str:
        text = text_of(cell).replace("|", "\\|").replace("*", "\\*")
        return f"**{text}**" if isinstance(cell, tuple) and cell.best else text

    alignment = ["left"] * grid.words + ["right"] * (len(grid.header) - grid.words)
    rows = [list(map(cell_of, row)) for row in grid.rows]
    header = list(map(cell_of, grid.header))
    table: str = tabulate(rows, headers=header, tablefmt="pipe", disable_numparse=True, colalign=alignment)
    return table


def _bullets(notes: Iterable[str]) -> str:
    return "\n".join(f"- {note}" for note in notes)
