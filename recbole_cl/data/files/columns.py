"""From a table as a source has it to interactions under our names: the checks that every source passes.

Interactions are a data frame with the columns ``user_id``, ``item_id``, ``rating`` where there is one, and
``timestamp`` (float64), one row per interaction, in the order of the source.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pandas.api.types import is_datetime64_any_dtype, is_float_dtype, is_integer_dtype

from recbole_cl.data.files.origin import Origin, refuse_missing, refuse_not_a_number
from recbole_cl.errors import UsageError

USER, ITEM, RATING, TIME = "user_id", "item_id", "rating", "timestamp"
# pandas, and so RecBole, reads these words as missing values; whatever holds them as ids loses them when it is loaded.
MISSING_WORDS = (
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA",
    "NULL", "NaN", "None", "n/a", "nan", "null",
)  # fmt: skip


@dataclass(frozen=True)
class Columns:
    """Names of the columns, or JSON keys, in the source.

    Attributes:
        user: User ids; Amazon's review files call them ``reviewerID``.
        item: Item ids; ``asin`` there.
        time: Seconds, or any number that grows with time; ``unixReviewTime`` there.
        rating: Ratings, ``overall`` there; None takes ``rating`` where it exists, an empty name takes none.
    """

    user: str = USER
    item: str = ITEM
    time: str = TIME
    rating: str | None = None

    def names(self, present: Sequence[str], origin: Origin) -> dict[str, str]:
        """Maps the columns of the source to ours.

        Args:
            present: Columns of the source.
            origin: The source, for the message.

        Returns:
            Our name by the source's name.

        Raises:
            UsageError: If a column is not in the source, or one column is asked for twice.
        """
        rating = (RATING if RATING in present else "") if self.rating is None else self.rating
        pairs = [(self.user, USER), (self.item, ITEM), *([(rating, RATING)] if rating else []), (self.time, TIME)]
        for source, ours in pairs:
            if source not in present:
                raise _unknown_column(source, ours, [str(column) for column in present], origin)
        if len(dict(pairs)) < len(pairs):
            asked = ", ".join(str(source) for source, _ in pairs)
            raise UsageError(f"{origin.name}: one column is named twice among {asked}")
        return dict(pairs)


def interactions(table: pd.DataFrame, columns: Columns, origin: Origin) -> pd.DataFrame:
    """Gives the columns our names and types, and refuses what RecBole would drop, misread or fail on.

    Args:
        table: One row per interaction, in the order of the source; other columns are left out.
        columns: Its column names.
        origin: The source, for messages.

    Returns:
        The interactions. Ids are text, or the integers that they were; whole floats are such integers, since pandas
        makes floats of integers beside a missing one. Times of a datetime column are seconds since 1970, in UTC where
        the column names a time zone.

    Raises:
        UsageError: If there is no interaction, a column is unknown, or a value is missing, an id is not text or a
            number, or a time or rating is no number.
    """
    names = columns.names(list(table.columns), origin)
    if table.empty:
        raise UsageError(f"{origin.name} has a header but no interactions")
    ours = {name: table[source].reset_index(drop=True) for source, name in names.items()}
    for id_name in (USER, ITEM):
        ours[id_name] = _ids(ours[id_name], id_name, origin)
    for source, name in names.items():
        refuse_missing(ours[name], source, origin)
    for source, name in names.items():
        if name in (TIME, RATING):
            remedy = origin.time_remedy if name == TIME else f"leave ratings out with {origin.without_rating}"
            values = _seconds(ours[name]) if name == TIME else ours[name]
            ours[name] = refuse_not_a_number(values, source, origin, remedy)
    return pd.DataFrame(ours)


def _unknown_column(asked: str, ours: str, present: list[str], origin: Origin) -> UsageError:
    """What to say of a column that is not there."""
    near = difflib.get_close_matches(str(asked), present, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    option = origin.column_option.format(ours.partition("_")[0].replace("timestamp", "time"))
    return UsageError(
        f"{origin.name} has no column {asked!r}; it has {', '.join(present)}: {hint}name the right one with {option}"
    )


def _ids(values: pd.Series, name: str, origin: Origin) -> pd.Series:
    """Ids as text, or as integers; what would be missing once it is written is missing."""
    if is_float_dtype(values) and values.notna().all() and (values % 1 == 0).all():
        values = values.map(int)
    if is_integer_dtype(values) and values.notna().all():
        return values
    values = values.astype(object)
    _refuse_nested(values, name, origin)
    text = values.where(values.isna(), values.astype(str))
    return text.mask(text.isin(MISSING_WORDS))


def _refuse_nested(ids: pd.Series, name: str, origin: Origin) -> None:
    """Refuses ids that are lists, objects or truth values."""
    wrong = ids.map(lambda value: isinstance(value, bool | list | tuple | dict | set | np.ndarray)).to_numpy(bool)
    if wrong.any():
        row = int(wrong.argmax())
        place = origin.place(row)
        raise UsageError(f"{place}: malformed {origin.unit}, {name} {ids.iloc[row]!r} must be text or a number")


def _seconds(times: pd.Series) -> pd.Series:
    """Seconds since 1970 of a datetime column, as exact as float64 holds them; other times as they are."""
    if is_datetime64_any_dtype(times):
        since_1970 = times.to_numpy("datetime64[us]") - np.datetime64(0, "us")
        return pd.Series(since_1970 / np.timedelta64(1, "s"))
    if times.dtype.kind in "bm":  # truth values and durations, which pandas would count as numbers
        return times.astype(str)
    return times
