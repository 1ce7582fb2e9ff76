"""Where interactions come from, and refusals of their values that name the place."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from recbole_cl.errors import UsageError


@dataclass(frozen=True)
class Origin:
    """A file or a table that interactions come from, in the words of a refusal.

    Attributes:
        name: What it is called: a path, say.
        unit: What one interaction is there: ``line`` or ``row``.
        place: Where a row stands, by its number from 0.
        column_option: How a caller names a column, with ``{}`` for ``user``, ``item``, ``time`` or ``rating``.
        without_rating: How a caller leaves ratings out.
        time_remedy: What to write where a time is no number.
    """

    name: str
    unit: str
    place: Callable[[int], str]
    column_option: str
    without_rating: str
    time_remedy: str = "give times as seconds since 1970"


def text_file(path: Path, first_line: int) -> Origin:
    """A text file with one interaction on each line that is not blank.

    Args:
        path: The file, gzip-compressed if its name ends in .gz.
        first_line: Number of header lines, plus 1.

    Returns:
        Its words; the place of a row is found by reading the file again.
    """
    return Origin(
        name=str(path),
        unit="line",
        place=lambda row: f"{path}, line {line_number(path, row, first_line)}",
        column_option="--{}-column (the first line of a csv file must name the columns)",
        without_rating='--rating-column ""',
    )


def refuse_missing(values: pd.Series, field: str, origin: Origin) -> None:
    """Refuses missing values in a column.

    Args:
        values: The column, one value per interaction, in the order of the origin.
        field: The column's name there.
        origin: Where it was read.

    Raises:
        UsageError: If a value is missing; names the place of the first one.
    """
    missing = values.isna().to_numpy()
    if missing.any():
        units = f"{origin.unit}s"
        raise UsageError(
            f"{origin.place(int(missing.argmax()))}: no value in {field!r} (empty, or a word such as NA, None or null, "
            f"which pandas reads as missing; {missing.sum():,} {units} in all): remove the {units} or rename the ids"
        )


def refuse_not_a_number(values: pd.Series, field: str, origin: Origin, remedy: str) -> pd.Series:
    """Returns a column as float64, and refuses values that are no finite number.

    Args:
        values: The column, without missing values, one value per interaction, in the order of the origin.
        field: The column's name there.
        origin: Where it was read.
        remedy: What to write instead, for the message.

    Returns:
        The same values as float64.

    Raises:
        UsageError: If a value is not a finite number; names the place of the first one.
    """
    numbers = pd.to_numeric(values, errors="coerce").astype(np.float64)
    wrong = ~np.isfinite(numbers.to_numpy())
    if wrong.any():
        row = int(wrong.argmax())
        raise UsageError(f"{origin.place(row)}: {values.iloc[row]!r} in {field!r} is not a number: {remedy}")
    return numbers


def line_number(path: Path, row: int, first_line: int) -> int:
    """Finds the line of a file that holds a row, blank lines counted (pandas skips them).

    Args:
        path: Text file, gzip-compressed if its name ends in .gz.
        row: Number of the row, from 0.
        first_line: Number of header lines, plus 1.

    Returns:
        Line number, from 1.
    """
    wanted = row + first_line
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            wanted -= bool(line.strip(b" \r\n"))  # tabs separate values, if missing ones
            if wanted == 0:
                return number
    raise AssertionError(f"{path} has no row {row}")


def parser_message(error: pd.errors.ParserError) -> str:
    """The useful part of a pandas parser error, such as ``Expected 3 fields in line 7, saw 4``."""
    return str(error).strip().rpartition("C error: ")[2]
