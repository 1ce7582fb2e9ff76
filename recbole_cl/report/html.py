"""A report as one HTML file that loads nothing from outside: no script, no font, no image by its address."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from recbole_cl.report.parts import Cell, Grid, Picture, Report, Section, text_of

# The browser itself refuses to load anything from outside.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_STYLE = """
:root { color-scheme: light; font: 16px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff; }
body { max-width: 76rem; margin: 0 auto; padding: 1rem 1.25rem 4rem; overflow-wrap: anywhere; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 1rem 0 .5rem; }
h2 { font-size: 1.3rem; margin: 2.5rem 0 .5rem; padding-top: .75rem; border-top: 1px solid #ccc; }
h3, figcaption { font-size: 1rem; font-weight: 600; margin: 1.5rem 0 .4rem; }
nav ul { list-style: none; display: flex; flex-wrap: wrap; gap: .25rem 1rem; padding: 0; margin: .75rem 0; }
a { color: #0b57a4; }
.table { overflow-x: auto; }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
thead th { border-bottom: 2px solid #555; vertical-align: bottom; }
th, td { padding: .25rem .7rem; text-align: right; white-space: nowrap; border-bottom: 1px solid #e3e3e3; }
th.word, td.word { text-align: left; font-weight: normal; white-space: normal; min-width: 8rem; overflow-wrap: normal; }
thead th.word { font-weight: 600; }
tbody tr:hover { background: #f3f6fa; }
ul.notes { color: #555; font-size: .85rem; margin: .5rem 0; padding-left: 1.1rem; }
figure { margin: 1rem 0; overflow-x: auto; }
figure svg { height: auto; max-width: 100%; min-width: 26rem; display: block; }
@media print { nav { display: none; } h2 { break-after: avoid; } table, figure { break-inside: avoid; } }
"""


def report_as_html(report: Report) -> str:
    """The whole report as one page.

    Args:
        report: The report.

    Returns:
        HTML, with the pictures inside.
    """
    links = "".join(
        f'<li><a href="#s{number}">{escape(section.title)}</a></li>'
        for number, section in enumerate(report.sections, start=1)
    )
    sections = "\n".join(_section(number, it) for number, it in enumerate(report.sections, start=1))
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f"<title>{escape(report.title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{escape(report.title)}</h1>\n{_notes(report.notes)}<nav><ul>{links}</ul></nav>\n<main>\n"
        f"{sections}\n</main>\n</body>\n</html>\n"
    )


def _section(number: int, section: Section) -> str:
    parts = "\n".join(_table(part) if isinstance(part, Grid) else _figure(part) for part in section.parts)
    heading = f'<h2 id="s{number}">{escape(section.title)}</h2>'
    return f"<section>\n{heading}\n{_notes(section.notes)}{parts}\n</section>"


def _table(grid: Grid) -> str:
    words = grid.words
    head = "".join(f'<th scope="col"{_word(i, words)}>{escape(name)}</th>' for i, name in enumerate(grid.header))
    body = "\n".join(
        "<tr>" + "".join(_cell(cell, i, words) for i, cell in enumerate(row)) + "</tr>" for row in grid.rows
    )
    return (
        f'<h3>{escape(grid.title)}</h3>\n<div class="table" tabindex="0"><table>\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody>\n</table></div>\n{_notes(grid.notes)}"
    )


def _cell(cell: Cell, place: int, words: int) -> str:
    text = escape(text_of(cell))
    text = f"<b>{text}</b>" if isinstance(cell, tuple) and cell.best else text
    tag = 'th scope="row"' if place == 0 else "td"
    return f"<{tag}{_word(place, words)}>{text}</{tag.split()[0]}>"


def _word(place: int, words: int) -> str:
    return ' class="word"' if place < words else ""


def _figure(picture: Picture) -> str:
    return (
        f"<figure>\n<figcaption>{escape(picture.title)}</figcaption>\n{picture.svg}\n{_notes(picture.notes)}</figure>"
    )


def _notes(notes: Iterable[str]) -> str:
    lines = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return f'<ul class="notes">{lines}</ul>\n' if lines else ""
