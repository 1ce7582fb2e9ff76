"""The parts of a report, whatever its file format: sections of tables and pictures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple


class Number(NamedTuple):
    """A measured figure in a table.

    Attributes:
        value: In full precision, for files used in computations.
        text: As shown to readers.
        best: Whether it is shown in bold.
    """

    value: float
    text: str
    best: bool = False


Cell = str | Number


@dataclass(frozen=True)
class Grid:
    """A table.

    Attributes:
        title: What it shows.
        header: Names of the columns.
        rows: A cell for each column.
        notes: Notes that a reader needs.
        words: Number of columns, from the left, that hold words; the others hold figures.
        keys: Number of these columns that name the row.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()
    words: int = 1
    keys: int = 1


@dataclass(frozen=True)
class Picture:
    """A figure.

    Attributes:
        title: What it shows.
        svg: The drawing, an ``<svg>`` element.
        notes: Notes that a reader needs.
    """

    title: str
    svg: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Section:
    """A chapter.

    Attributes:
        title: Its heading.
        parts: Tables and pictures, in order.
        notes: Notes on all of them, or the reason why there are none.
    """

    title: str
    parts: tuple[Grid | Picture, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """A whole report.

    Attributes:
        title: Its heading.
        sections: Its chapters.
        notes: Notes before the sections.
    """

    title: str
    sections: tuple[Section, ...]
    notes: tuple[str, ...] = ()

    def grids(self) -> Iterator[tuple[Section, Grid]]:
        """All tables, each with its section."""
        for section in self.sections:
            yield from ((section, part) for part in section.parts if isinstance(part, Grid))


def text_of(cell: Cell) -> str:
    """The text of a cell as shown to readers."""
    return cell if isinstance(cell, str) else cell.text
