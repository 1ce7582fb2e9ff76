"""Readers of interaction files: csv, atomic files, json lines, sequence text, Parquet.

Every reader returns the requested columns as the source has them, one row per interaction in the order of the file,
and the words for error messages.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
from pandas.api.types import is_float_dtype

from recbole_cl.data.files.columns import ITEM, TIME, USER, Columns
from recbole_cl.data.files.origin import Origin, text_file
from recbole_cl.data.files.text import Text, checked_rows
from recbole_cl.errors import UsageError

QUOTES = ("line", "none", "multiline")
_REMEDY = (
    "give --quotes none where quotation marks are characters like others, --quotes multiline where values hold "
    "line breaks"
)
_STAND_IN = "\x1f"  # replaces a separator of several characters: ASCII's unit separator, which texts do not contain

Table = tuple[pd.DataFrame, Columns, Origin]


def read_csv(text: Text, columns: Columns, separator: str, *, header: bool, quotes: str, typed: bool = False) -> Table:
    """Reads rows of values between separators.

    Args:
        text: The file.
        columns: Its column names; without a header, their numbers from 1.
        separator: The character, or characters, between values.
        header: Whether the first line names the columns.
        quotes: The meaning of quotation marks. ``line``: they enclose a value that ends on its line; ``none``: no
            special meaning; ``multiline``: they enclose a value that may have line breaks.
        typed: Whether it is an atomic file: a type follows each name, and a quotation mark that encloses nothing is an
            ordinary character.

    Returns:
        The table, with ids as categories of text exactly as written; the columns' names in it; the words for error
            messages.

    Raises:
        UsageError: If a row has another number of fields than the first line, a quotation mark is not closed, or a
            column is unknown.
    """
    text, mark = _one_character(text, separator)
    first, start = text.header()
    if not first:
        raise UsageError(f"{text.path} is empty")
    reader = csv.reader([first], delimiter=mark, quoting=csv.QUOTE_NONE if quotes == "none" else csv.QUOTE_MINIMAL)
    names = next(reader)
    if typed:
        names = [name.partition(":")[0] for name in names]
    if not header:
        names = [str(number) for number in range(1, len(names) + 1)]
        columns = columns.of_numbers(len(names))
        start = 0
    if quotes == "multiline":
        return _multiline(text, start, names, mark, columns)
    origin = text_file(text, start)
    used = columns.names(names, origin)
    if quotes == "line":
        content, n_rows = checked_rows(text, start, mark, len(names), lenient=typed, remedy=_REMEDY)
    else:
        content, n_rows = plain_rows(text, start, mark, len(names))
    if not n_rows:
        return pd.DataFrame(columns=list(used)), columns, origin
    places = {ours: names.index(source) for source, ours in used.items()}
    quoting = csv.QUOTE_NONE if quotes == "none" else csv.QUOTE_MINIMAL
    table = _parsed(content, start if content is text.content else 0, places, sep=mark, quoting=quoting)
    table.columns = pd.Index([names[place] for place in table])
    if len(table) != n_rows:
        raise UsageError(f"{text.path}: {len(table):,} rows were read from {n_rows:,} lines: {_REMEDY}")
    return table, columns, origin


def read_jsonl(text: Text, columns: Columns) -> Table:
    """Reads a file with one JSON object per line; numbers keep their written form.

    Args:
        text: The file.
        columns: Its keys.

    Returns:
        As ``read_csv``.

    Raises:
        UsageError: If the file is empty, a line is not a JSON object, or a key is unknown.
    """
    origin = text_file(text, 0)
    names: dict[str, str] = {}
    rows: list[tuple[object, ...]] = []
    for number, line in enumerate(io.BytesIO(text.content), start=1):
        if line.strip():
            record = _json_object(line, text.path, number)
            names = names or columns.names(list(record), origin)
            rows.append(tuple(map(record.get, names)))
    if not rows:
        raise UsageError(f"{text.path} is empty")
    return pd.DataFrame(rows, columns=list(names), dtype=object), columns, origin


def read_sequences(text: Text) -> Table:
    """Reads sequence text: ``user item item ...`` per line, integers, oldest item first.

    If a user appears on several lines, later lines continue the user's sequence. So files with one ``user item`` pair
    per line can be read, too.

    Args:
        text: The file.

    Returns:
        As ``read_csv``; ids are text, and the time is the position in the user's sequence, from 1.

    Raises:
        UsageError: If the file is empty, or a line has no item, or contains anything other than integers from 0.
    """
    users: list[str] = []
    items: list[str] = []
    lengths: list[int] = []
    for number, line in enumerate(io.BytesIO(text.content), start=1):
        words = line.decode().split()
        if words:
            _check_sequence(words, text.path, number)
            users.append(words[0])
            lengths.append(len(words) - 1)
            items += words[1:]
    if not items:
        raise UsageError(f"{text.path} is empty")
    user = pd.Series(users, dtype="category").repeat(lengths).reset_index(drop=True)
    frame = pd.DataFrame({USER: user, ITEM: pd.Series(items, dtype="category")})
    frame[TIME] = frame.groupby(USER, sort=False, observed=True).cumcount() + 1
    return frame, Columns(rating=""), text_file(text, 0)


def read_parquet(path: Path, content: bytes, columns: Columns) -> Table:
    """Reads a Parquet file.

    Args:
        path: The file, for messages.
        content: Its content.
        columns: Its column names.

    Returns:
        As ``read_csv``, with values of the file's types.

    Raises:
        UsageError: If pyarrow is not installed, the file is damaged, or a column is unknown.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise UsageError(f"{path}: Parquet needs the package pyarrow: pip install 'recbole_cl[files]'") from None
    origin = replace(text_file(Text(path, b""), 0), unit="row", place=lambda row: f"{path}, row {row} from 0")
    try:
        with parquet.ParquetFile(io.BytesIO(content)) as file:
            used = columns.names(file.schema_arrow.names, origin)
            return file.read(columns=list(used)).to_pandas(integer_object_nulls=True), columns, origin
    except (pyarrow.ArrowException, OSError, OverflowError) as error:
        raise UsageError(f"{path}: Parquet that cannot be read: {error}") from None


def plain_rows(text: Text, start: int, separator: str, width: int) -> tuple[bytes, int]:
    """``checked_rows`` for text in which quotation marks are ordinary characters."""
    unquoted = Text(text.path, text.content.replace(b'"', b"'")) if b'"' in text.content else text  # same positions
    _, rows = checked_rows(unquoted, start, separator, width, lenient=True, remedy="")
    return text.content, rows


def _parsed(content: bytes, start: int, places: Mapping[str, int], **options: Any) -> pd.DataFrame:
    """Parses the columns at the given places, ids as categories; the columns are named by their places."""
    types: dict[int, Any] = {places[USER]: "category", places[ITEM]: "category"}

    def parse() -> pd.DataFrame:
        file = io.BytesIO(content)
        file.seek(start)
        return pd.read_csv(
            file,
            header=None,
            usecols=list(places.values()),
            dtype=types,
            index_col=False,
            low_memory=False,
            float_precision="round_trip",
            **options,
        )

    table = parse()
    times = table[places[TIME]]
    if is_float_dtype(times) and times.hasnans and (times.abs() >= 2**53).any():
        types[places[TIME]] = str  # float64, which pandas takes since one is missing, rounds them
        table = parse()
    return table


def _one_character(text: Text, separator: str) -> tuple[Text, str]:
    """Replaces a separator of several characters, such as ``::``, by a single character."""
    if len(separator) == 1 and separator.isascii():
        return text, separator
    if not separator or _STAND_IN.encode() in text.content:
        raise UsageError(f"{text.path}: separator {separator!r} cannot be used: choose one such as ',' or '\\t'")
    return Text(text.path, text.content.replace(separator.encode(), _STAND_IN.encode())), _STAND_IN


def _multiline(text: Text, start: int, names: Sequence[str], separator: str, columns: Columns) -> Table:
    """Reads rows whose quoted values may have line breaks, and checks the number of fields of each row."""
    lines: list[int] = []
    origin = replace(text_file(text, start), unit="row", place=lambda row: f"{text.path}, line {lines[row]}")
    used = columns.names(names, origin)
    place = {name: names.index(name) for name in used}
    values: dict[str, list[str]] = {name: [] for name in used}
    reader = csv.reader(io.StringIO(text.content[start:].decode(), newline=""), delimiter=separator, strict=True)
    before = text.line_at(start)
    line = before
    try:
        for row in reader:
            if row and len(row) != len(names):
                found = f"{len(row)} values where there are {len(names)} columns"
                raise UsageError(f"{text.path}, line {line}: malformed row: {found}; fix it")
            if row:
                lines.append(line)
            for name, number in place.items() if row else ():
                values[name].append(row[number])
            line = before + reader.line_num
    except csv.Error as error:
        raise UsageError(f"{text.path}, line {line}: malformed row: {error}; fix its quotation marks") from None
    return pd.DataFrame(values, dtype=object), columns, origin


def _json_object(line: bytes, path: Path, number: int) -> dict[str, object]:
    """Parses one line that must hold a JSON object."""
    try:
        record = json.loads(line, parse_int=str, parse_float=str, parse_constant=str)
    except (ValueError, RecursionError) as error:
        why = "nested too deep" if isinstance(error, RecursionError) else error
        raise UsageError(f"{path}, line {number}: malformed line, no JSON: {why}") from None
    if not isinstance(record, dict):
        raise UsageError(f"{path}, line {number}: malformed line, a JSON {type(record).__name__} and not an object")
    return record


def _check_sequence(words: list[str], path: Path, number: int) -> None:
    """Refuses a line that is not a user with at least one item, all of them integers from 0."""
    if wrong := next((word for word in words if not (word.isascii() and word.isdigit())), None):
        what = (
            f"negative id {wrong}: remove or renumber it"
            if wrong.lstrip("-").isdigit()
            else (
                "malformed line: sequence text is `user item item ...` in whole numbers; number the ids, or write "
                "a line with user, item and time for each interaction"
            )
        )
        raise UsageError(f"{path}, line {number}: {what}")
    if len(words) < 2:
        raise UsageError(f"{path}, line {number}: malformed line: user {words[0]} has no item; remove the line")
