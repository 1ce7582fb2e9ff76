"""Readers of interaction files: csv, json lines, sequence text.

Every reader returns interactions as ``columns`` describes them, in the order of the file.
"""

from __future__ import annotations

import gzip
import json
import warnings
from pathlib import Path
from typing import IO

import numpy as np
import pandas as pd

from recbole_cl.data.files.columns import ITEM, TIME, USER, Columns, interactions
from recbole_cl.data.files.origin import parser_message, text_file
from recbole_cl.errors import UsageError


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
            table = pd.read_csv(path, sep=separator, dtype=str, index_col=False, encoding="utf-8-sig")
    except pd.errors.EmptyDataError:
        raise UsageError(f"{path} is empty") from None
    except pd.errors.ParserError as error:
        raise UsageError(f"{path}: malformed line: {parser_message(error)}") from None
    except pd.errors.ParserWarning:
        raise UsageError(f"{path}, line 2: malformed line: more values than the header names columns") from None
    return interactions(table, columns, text_file(path, first_line=2))


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
    origin = text_file(path, first_line=1)
    names: dict[str, str] = {}
    rows: list[tuple[object, ...]] = []
    with _open_text(path) as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                record = _json_object(line, path, number)
                names = names or columns.names(list(record), origin)
                rows.append(tuple(map(record.get, names)))
    if not rows:
        raise UsageError(f"{path} is empty")
    return interactions(pd.DataFrame(rows, columns=list(names), dtype=object), columns, origin)


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
    with _open_text(path) as file:
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


def _open_text(path: Path) -> IO[str]:
    """Opens a UTF-8 text file, with or without byte-order mark, decompressing it if its name ends in .gz."""
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig")
    return path.open(encoding="utf-8-sig")


def _json_object(line: str, path: Path, number: int) -> dict[str, object]:
    """Parses one line that must hold a JSON object."""
    try:
        record = json.loads(line)
    except ValueError as error:
        raise UsageError(f"{path}, line {number}: malformed line, no JSON: {error}") from None
    if not isinstance(record, dict):
        raise UsageError(f"{path}, line {number}: malformed line, a JSON {type(record).__name__} and not an object")
    return record


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
