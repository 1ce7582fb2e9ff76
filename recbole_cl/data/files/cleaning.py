"""Converts a source's table to interactions with our column names; makes the checks that apply to every source.

Interactions are a data frame with the columns ``user_id``, ``item_id``, ``rating`` (if the source has one) and
``timestamp``, one row per interaction, in the order of the source.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.types import infer_dtype, is_datetime64_dtype, is_float_dtype, is_integer_dtype

from recbole_cl.data.files.columns import ITEM, RATING, TIME, USER, Columns
from recbole_cl.data.files.origin import Origin, refuse_missing, refuse_not_a_number
from recbole_cl.data.files.times import dates_of
from recbole_cl.errors import UsageError

# pandas, and so RecBole, reads these words as missing values: ids with these names would be lost on loading.
MISSING_WORDS = (
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA",
    "NULL", "NaN", "None", "n/a", "nan", "null",
)  # fmt: skip
_UNWRITABLE = re.compile("[\0\r\n\ud800-\udfff]")


@dataclass(frozen=True)
class Cleaning:
    """How to treat incomplete and repeated rows of a source.

    Attributes:
        drop_missing: Whether rows that lack a user, an item, a rating or a time are dropped instead of refused.
        drop_duplicates: Whether only the first of several equal rows is kept.
        time_zone: Time zone of dates that name none.
    """

    drop_missing: bool = False
    drop_duplicates: bool = False
    time_zone: str = "UTC"


DEFAULT_CLEANING = Cleaning()


def interactions(
    table: pd.DataFrame, columns: Columns, origin: Origin, cleaning: Cleaning = DEFAULT_CLEANING
) -> tuple[pd.DataFrame, list[str]]:
    """Renames and converts the columns, and refuses values that RecBole would drop, misread or fail on.

    Args:
        table: One row per interaction, in the order of the source; other columns are left out.
        columns: Its column names.
        origin: The source, for messages.
        cleaning: How to treat incomplete and repeated rows.

    Returns:
        The interactions, and notes for the user: how the columns were recognised, and what was left out. Ids are text,
            as categories, or integers as in the source. Floats with integer values become integers, since pandas turns
            integers into floats in a column with a missing value. Times are integers where that is exact, otherwise
            float64; or dates in UTC, which ``numbers_of`` converts once all files of a log are joined.

    Raises:
        UsageError: If there are no interactions, a column is unknown, a value is missing, an id is neither text nor a
            number or was rounded, a time is neither a number nor a date, or a rating is not a number.
    """
    names = columns.names(list(table.columns), origin)
    if table.empty:
        raise UsageError(f"{origin.name} has a header but no interactions")
    ours = {name: table[source].reset_index(drop=True) for source, name in names.items()}
    for id_name in (USER, ITEM):
        ours[id_name] = _ids(ours[id_name], id_name, origin)
    for name in (TIME, *({RATING} & ours.keys())):
        ours[name] = _without_missing_words(ours[name])
    notes = ["columns: " + ", ".join(f"{name} = {source}" for source, name in names.items())]
    kept = np.arange(len(table))
    if cleaning.drop_missing:
        kept, note = _whole_rows(ours, names, origin)
        ours = {name: values.iloc[kept].reset_index(drop=True) for name, values in ours.items()}
        notes += note
    origin = origin.after_dropping(kept)
    without_rating = f"leave ratings out with {origin.without_rating}"
    unrated = replace(origin, drop_option=f"{without_rating}, ")
    for source, name in names.items():
        refuse_missing(ours[name], source, unrated if name == RATING else origin)
    for source, name in names.items():
        if name == TIME:
            ours[name] = _times(ours[name], source, origin, cleaning.time_zone)
        elif name == RATING:
            ours[name] = refuse_not_a_number(ours[name], source, origin, without_rating)
    return pd.DataFrame(ours), notes


def without_duplicates(frame: pd.DataFrame, cleaning: Cleaning) -> tuple[pd.DataFrame, list[str]]:
    """Counts interactions that equal an earlier one in every column, and removes them if asked to."""
    repeated = frame.duplicated().to_numpy()
    if not (count := int(repeated.sum())):
        return frame, []
    if not cleaning.drop_duplicates:
        return frame, [f"kept: {count:,} exact duplicates of earlier rows"]
    return frame[~repeated].reset_index(drop=True), [f"left out: {count:,} exact duplicates of earlier rows"]


def _whole_rows(
    ours: dict[str, pd.Series], names: dict[str, str], origin: Origin
) -> tuple[NDArray[np.int64], list[str]]:
    """The rows without missing values, and a note on how many rows lack which value."""
    missing = {source: ours[name].isna().to_numpy() for source, name in names.items()}
    lacking = np.logical_or.reduce(list(missing.values()))
    if lacking.all():
        raise UsageError(f"{origin.name}: every {origin.unit} lacks a value: name other columns, or fix it")
    counts = ", ".join(f"{int(it.sum()):,} without {source}" for source, it in missing.items() if it.any())
    note = f"left out: {int(lacking.sum()):,} of {len(lacking):,} {origin.unit}s with missing values ({counts})"
    return np.flatnonzero(~lacking), [note] if counts else []


def _without_missing_words(values: pd.Series) -> pd.Series:
    """A column of times or ratings, with words that mean "no value" as missing values."""
    return values.mask(values.isin(MISSING_WORDS)) if values.dtype == object else values


def _times(values: pd.Series, source: str, origin: Origin, zone: str) -> pd.Series:
    """Times as numbers, or as dates in UTC; refuses values that are neither."""
    dates = dates_of(values, zone)
    if is_datetime64_dtype(dates):
        times, wrong = dates, dates.isna()
        problem = f"is no ISO 8601 date between 1677 and 2262: fix it or remove the {origin.unit}"
    else:
        times = refuse_not_a_number(dates, source, origin, origin.time_remedy)
        wrong = (times.abs() >= 2.0**64) & (times.dtype.kind == "f")
        problem = "is 2**64 or more, and would be rounded: use a coarser unit"
    if wrong.any():
        row = int(wrong.to_numpy().argmax())
        raise UsageError(f"{origin.place(row)}: {str(values.iloc[row])[:50]!r} in {source!r} {problem}")
    return times


def _ids(values: pd.Series, name: str, origin: Origin) -> pd.Series:
    """Ids as text or as integers; ids that would read as missing once they are written are missing here."""
    if is_float_dtype(values):
        values = _whole_if_exact(values, name, origin)
    if is_integer_dtype(values) and values.notna().all():
        return values
    if not (isinstance(values.dtype, pd.CategoricalDtype) and infer_dtype(values.cat.categories) == "string"):
        values = values.astype(object)
        _refuse_nested(values, name, origin)
        text = values.where(values.isna(), values.astype(str))
        text = text.mask(text.isin(MISSING_WORDS))
        _refuse_unwritable(
            text.dropna(), name, origin
        )  # pandas reads texts that differ only after a zero byte as one category
        return text.astype("category")
    code, first_row = np.unique(values.cat.codes.to_numpy(), return_index=True)
    _refuse_unwritable(pd.Series(values.cat.categories[code[code >= 0]], index=first_row[code >= 0]), name, origin)
    return values.cat.remove_categories([word for word in values.cat.categories if word in MISSING_WORDS])


def _whole_if_exact(ids: pd.Series, name: str, origin: Origin) -> pd.Series:
    """Integers that pandas has as floats since one is missing; refuses those that may have been rounded."""
    numbers = ids.to_numpy(np.float64, na_value=np.nan)
    if (rounded := np.abs(numbers) >= 2**53).any():
        row = int(rounded.argmax())
        value = f"{name} {numbers[row]} is a float, in which large ids are rounded"
        raise UsageError(f"{origin.place(row)}: {value}: read the column as Int64 or text")
    missing = np.isnan(numbers)
    return ids.astype("Int64" if missing.any() else np.int64) if (numbers[~missing] % 1 == 0).all() else ids


def _refuse_unwritable(ids: pd.Series, name: str, origin: Origin) -> None:
    """Refuses ids that cannot be written to a UTF-8 line: with line breaks, zero bytes or half of a character."""
    joined = "".join(ids)
    if _UNWRITABLE.search(joined):
        row, value = next((row, value) for row, value in ids.items() if _UNWRITABLE.search(value))
        place = origin.place(row)
        raise UsageError(f"{place}: {name} {value!r} holds a line break, a zero byte or half a character: rename it")


def _refuse_nested(ids: pd.Series, name: str, origin: Origin) -> None:
    """Refuses ids that are lists, objects or truth values."""
    wrong = ids.map(lambda value: isinstance(value, bool | list | tuple | dict | set | np.ndarray)).to_numpy(bool)
    if wrong.any():
        row = int(wrong.argmax())
        place = origin.place(row)
        raise UsageError(f"{place}: malformed {origin.unit}, {name} {ids.iloc[row]!r} must be text or a number")
