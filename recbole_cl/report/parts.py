"""What a report consists of, whatever file it becomes: sections of tables and pictures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple


class Number(NamedTuple):
    """A measured figure in a table.

    Attributes:
        value: In full, for files that are computed with.
        text: As readers see it.
        best: Whether it stands out, in bold.
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
        header: The columns' names.
        rows: A cell for each column.
        notes: What a reader must know beside it.
        words: How many columns, from the left, hold words; the others hold figures.
        keys: How many of these name the row.
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
        notes: What a reader must know beside it.
    """

    title: str
    svg: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Section:
    """A chapter.

    Attributes:
        title: Its heading.
        parts: Tables and pictures, in their order.
        notes: What holds for all of them, or why there are none.
    """

    title: str
    parts: tuple[Grid | Picture, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """All of it.

    Attributes:
        title: Its heading.
        sections: Its chapters.
        notes: What stands before them.
    """

    title: str
    sections: tuple[Section, ...]
    notes: tuple[str, ...] = ()

    def grids(self) -> Iterator[tuple[Section, Grid]]:
        """All tables, each with its chapter."""
        for section in self.sections:
            yield from ((section, part) for part in section.parts if isinstance(part, Grid))


def text_of(cell: Cell) -> str:
    """What readers see of a cell."""
    return cell if isinstance(cell, str) else cell.text
