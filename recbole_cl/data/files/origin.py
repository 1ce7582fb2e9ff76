"""The source of interactions, and errors about their values that name the place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.types import infer_dtype, is_bool_dtype, is_integer_dtype

from recbole_cl.data.files.text import Text
from recbole_cl.errors import UsageError


@dataclass(frozen=True)
class Origin:
    """A file or a table that interactions come from, with the words that messages use for it.

    Attributes:
        name: How it is called, for example a path.
        unit: The word for one interaction: ``line`` or ``row``.
        place: Gives the place of a row, by its number from 0.
        column_option: The option that names a column, with ``{}`` for ``user``, ``item``, ``time`` or ``rating``.
        without_rating: The option that leaves ratings out.
        drop_option: The option that drops rows with missing values.
        time_remedy: Advice for a time that is not a number.
    """

    name: str
    unit: str
    place: Callable[[int], str]
    column_option: str
    without_rating: str
    drop_option: str = ""
    time_remedy: str = "give times as numbers, such as seconds since 1970, or as ISO 8601 dates"

    def after_dropping(self, kept: NDArray[np.int64]) -> Origin:
        """The same source after all rows except those with the given numbers have been dropped."""
        return replace(self, place=lambda row: self.place(int(kept[row])))


def text_file(text: Text, start: int) -> Origin:
    """A text file with one interaction on each line that is not blank.

    Args:
        text: The file.
        start: Where the lines of interactions begin.

    Returns:
        Its words for messages.
    """
    return Origin(
        name=str(text.path),
        unit="line",
        place=lambda row: f"{text.path}, line {text.line_number(row, start)}",
        column_option="--{}-column",
        without_rating='--rating-column ""',
        drop_option="give --drop-missing to leave them out, ",
    )


def refuse_missing(values: pd.Series, field: str, origin: Origin) -> None:
    """Refuses missing values in a column.

    Args:
        values: The column, one value per interaction, in the order of the origin.
        field: The column's name there.
        origin: Where it was read.

    Raises:
        UsageError: If a value is missing; the message names the place of the first one.
    """
    missing = values.isna().to_numpy()
    if missing.any():
        units = f"{origin.unit}s"
        raise UsageError(
            f"{origin.place(int(missing.argmax()))}: no value in {field!r} (empty, or a word such as NA, None or null, "
            f"which pandas reads as missing; {missing.sum():,} {units} in all): {origin.drop_option}"
            f"remove the {units} or rename the ids"
        )


def refuse_not_a_number(values: pd.Series, field: str, origin: Origin, remedy: str) -> pd.Series:
    """Returns a column as numbers, and refuses values that are not finite numbers.

    Args:
        values: The column, without missing values, one value per interaction, in the order of the origin.
        field: The column's name there.
        origin: Where it was read.
        remedy: Advice for the message.

    Returns:
        The same values, as integers if all are written as integers, otherwise as float64.

    Raises:
        UsageError: If a value is not a finite number; the message names the place of the first one.
    """
    if is_bool_dtype(values) or infer_dtype(values).startswith(("boolean", "mixed")):
        # pandas would treat truth values as numbers
        values = values.map(lambda value: str(value) if isinstance(value, bool | np.bool_) else value)
    try:
        numbers = pd.to_numeric(values, errors="coerce")
    except OverflowError:  # an integer too large for float64
        numbers = values.map(lambda value: pd.to_numeric(str(value), errors="coerce"))
    numbers = pd.Series(numbers.to_numpy(None if is_integer_dtype(numbers) else np.float64), index=values.index)
    wrong = ~np.isfinite(numbers.to_numpy())
    if wrong.any():
        row = int(wrong.argmax())
        value = repr(values.iloc[[row]].tolist()[0])  # not numpy's own, such as np.float64(inf)
        value = value if len(value) < 60 else f"{value[:50]}... ({len(value):,} characters)"
        raise UsageError(f"{origin.place(row)}: {value} in {field!r} is not a number: {remedy}")
    return numbers
