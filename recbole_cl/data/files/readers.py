"""Readers of interaction files: csv, json lines, sequence text.

Every reader returns one row per interaction, in the order of the file, with the columns ``user_id``, ``item_id``,
``rating`` where there is one, and ``timestamp`` (float64).
"""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from recbole_cl.data.files.atomic import (
    TIME_REMEDY,
    line_number,
    open_text,
    parser_message,
    refuse_missing,
    refuse_not_a_number,
)
from recbole_cl.errors import UsageError

USER, ITEM, RATING, TIME = "user_id", "item_id", "rating", "timestamp"
# pandas, and so RecBole, reads these words as missing values; a csv source loses them in the same way.
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

    def names(self, present: list[str], path: Path) -> dict[str, str]:
        """Maps the columns of the source to ours.

        Args:
            present: Columns of the source.
            path: The source, for the message.

        Returns:
            Our name by the source's name.

        Raises:
            UsageError: If a column is not in the source, or one column is asked for twice.
        """
        rating = (RATING if RATING in present else "") if self.rating is None else self.rating
        pairs = [(self.user, USER), (self.item, ITEM), *([(rating, RATING)] if rating else []), (self.time, TIME)]
        for source, ours in pairs:
            if source not in present:
                option = ours.partition("_")[0].replace("timestamp", "time")
                raise UsageError(
                    f"{path} has no column {source!r}; it has {', '.join(present)}: name the right one with "
                    f"--{option}-column (the first line of a csv file must name the columns)"
                )
        if len(dict(pairs)) < len(pairs):
            raise UsageError(f"{path}: one column is named twice among {', '.join(source for source, _ in pairs)}")
        return dict(pairs)


def read_csv(path: Path, columns: Columns, separator: str = ",") -> pd.DataFrame:
    """Reads a csv file whose first line names the columns.

    Args:
        path: The file; may be compressed (.gz).
        columns: Its column names.
        separator: The character between values.

    Returns:
        The interactions; ids are text, exactly as written.

    Raises:
        UsageError: If the file is empty, a line has too many values, a column is unknown, or a value is missing or
            no number where one is needed.
    """
    if len(separator) != 1:
        raise UsageError(f"separator {separator!r} must be one character, such as ',' or '\\t'")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            # All columns are read: only so does pandas notice a line with too many values.
            frame = pd.read_csv(path, sep=separator, dtype=str, index_col=False, encoding="utf-8-sig")
    except pd.errors.EmptyDataError:
        raise UsageError(f"{path} is empty") from None
    except pd.errors.ParserError as error:
        raise UsageError(f"{path}: malformed line: {parser_message(error)}") from None
    except pd.errors.ParserWarning:
        raise UsageError(f"{path}, line 2: malformed line: more values than the header names columns") from None
    names = columns.names([str(column) for column in frame.columns], path)
    return _checked(frame[list(names)], names, path, first_line=2)


def read_jsonl(path: Path, columns: Columns) -> pd.DataFrame:
    """Reads a file with one JSON object per line.

    Args:
        path: The file; may be compressed (.gz).
        columns: Its keys.

    Returns:
        The interactions; ids are text.

    Raises:
        UsageError: If the file is empty, a line is no JSON object, a key is unknown, or a value is missing or no
            number where one is needed.
    """
    names: dict[str, str] = {}
    rows: list[tuple[object, ...]] = []
    with open_text(path) as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                record = _json_object(line, path, number)
                names = names or columns.names(list(record), path)
                rows.append(tuple(map(record.get, names)))
    if not rows:
        raise UsageError(f"{path} is empty")
    frame = pd.DataFrame(rows, columns=list(names), dtype=object)
    for ours, source in ((ours, source) for source, ours in names.items() if ours in (USER, ITEM)):
        _refuse_nested(frame[source], path, ours)
        text = frame[source].where(frame[source].isna(), frame[source].astype(str))
        frame[source] = text.mask(text.isin(MISSING_WORDS))
    return _checked(frame, names, path, first_line=1)


def read_sequences(path: Path) -> pd.DataFrame:
    """Reads sequence text: ``user item item ...`` per line, whole numbers, oldest item first.

    A user who appears on several lines goes on where the earlier line ended, so that one ``user item`` pair per line
    is read too.

    Args:
        path: The file; may be compressed (.gz).

    Returns:
        The interactions; ids are int64, and the timestamp is the position in the user's sequence, from 1.

    Raises:
        UsageError: If the file is empty, or a line holds no item, something other than whole numbers, or a negative
            one.
    """
    users: list[int] = []
    lengths: list[int] = []
    items: list[int] = []
    with open_text(path) as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                user, *sequence = _whole_numbers(line, path, number)
                users.append(user)
                lengths.append(len(sequence))
                items += sequence
    if not items:
        raise UsageError(f"{path} is empty")
    frame = pd.DataFrame({USER: np.repeat(np.array(users, np.int64), lengths), ITEM: np.array(items, np.int64)})
    frame[TIME] = frame.groupby(USER, sort=False).cumcount().to_numpy(np.float64) + 1
    return frame


def _checked(frame: pd.DataFrame, names: dict[str, str], path: Path, first_line: int) -> pd.DataFrame:
    """Gives the columns our names and types, and refuses missing values and times or ratings that are no numbers."""
    if frame.empty:
        raise UsageError(f"{path} has a header but no interactions")
    for source in names:
        refuse_missing(frame[source], path, source, first_line)
    frame = frame.rename(columns=names)
    for source, ours in names.items():
        if ours in (TIME, RATING):
            remedy = TIME_REMEDY if ours == TIME else 'leave ratings out with --rating-column ""'
            frame[ours] = refuse_not_a_number(frame[ours], path, source, first_line, remedy)
    return frame


def _json_object(line: str, path: Path, number: int) -> dict[str, object]:
    """Parses one line that must hold a JSON object."""
    try:
        record = json.loads(line)
    except ValueError as error:
        raise UsageError(f"{path}, line {number}: malformed line, no JSON: {error}") from None
    if not isinstance(record, dict):
        raise UsageError(f"{path}, line {number}: malformed line, a JSON {type(record).__name__} and not an object")
    return record


def _refuse_nested(ids: pd.Series, path: Path, field: str) -> None:
    """Refuses ids that are lists, objects or truth values."""
    wrong = ids.map(lambda value: isinstance(value, (bool, list, dict))).to_numpy(bool)
    if wrong.any():
        row = int(wrong.argmax())
        line = line_number(path, row, first_line=1)
        raise UsageError(f"{path}, line {line}: malformed line, {field} {ids.iloc[row]!r} must be text or a number")


def _whole_numbers(line: str, path: Path, number: int) -> list[int]:
    """Parses one line of sequence text into its user and at least one item."""
    try:
        ids = [int(token) for token in line.split()]
    except ValueError:
        raise UsageError(
            f"{path}, line {number}: malformed line: sequence text is `user item item ...` in whole numbers; "
            "for other ids use --format csv"
        ) from None
    if len(ids) < 2:
        raise UsageError(f"{path}, line {number}: malformed line: user {ids[0]} has no item; remove the line")
    if min(ids) < 0:
        raise UsageError(f"{path}, line {number}: negative id {min(ids)}: remove or renumber it")
    return ids
