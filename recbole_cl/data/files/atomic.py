"""Reads RecBole's atomic files in one parse, and reports an error in them in one line.

RecBole drops rows without a user or an item, fills a missing timestamp with the mean time, reads lines that a quotation
mark joins as one, and shifts columns. Most other mistakes end in a traceback from inside pandas.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from recbole_cl.data.files.compressed import read_bytes
from recbole_cl.data.files.origin import Origin, refuse_missing, refuse_not_a_number, text_file
from recbole_cl.data.files.text import Text, checked_rows
from recbole_cl.errors import UsageError

FIELD_TYPES = ("token", "token_seq", "float", "float_seq")
_QUOTES = "write it as recbole-cl convert does, between quotation marks and each mark of its own doubled"


@dataclass(frozen=True)
class AtomicFormat:
    """How atomic files are written.

    Attributes:
        separator: The character between columns, RecBole's ``field_separator``.
        sequence_separator: The separator between the values of a sequence, RecBole's ``seq_separator``.
        encoding: Encoding of the text, RecBole's ``encoding``.
    """

    separator: str = "\t"
    sequence_separator: str = " "
    encoding: str = "utf-8"


DEFAULT_FORMAT = AtomicFormat()


def read_atomic_file(
    path: Path,
    needed: Mapping[str, str],
    *,
    time_field: str | None = None,
    load: Collection[str] | None = None,
    unload: Collection[str] = (),
    written: AtomicFormat = DEFAULT_FORMAT,
) -> tuple[dict[str, str], pd.DataFrame]:
    """Reads an atomic file, and refuses one that RecBole would misread or fail on.

    Every line is a row. The needed columns are checked even if they are not loaded. A valid file is parsed once. A file
    with text in a number column is parsed again as text, to report the line.

    Args:
        path: The file, such as ``.inter`` or ``.item``.
        needed: Types, by name, of the columns that must exist without missing values: users, items, times.
        time_field: Name of the time column; if it is loaded or needed, it is read exactly, without missing values.
        load: Columns to load if the file has them; None for all.
        unload: Columns to leave out.
        written: The format of the file.

    Returns:
        The type of each loaded column, and the columns: text for ``token``, float64 for ``float``, arrays for
            ``token_seq`` and ``float_seq``, int64 or float64 for the times, whichever is exact. Both are in the order
            of the file.

    Raises:
        UsageError: If the file is empty; the header lacks types or one of the columns, or has another type for it; a
            line has another number of fields than the header; a needed value is missing; a value in a number column is
            not a number; or numeric ids are negative (usually a marker for "unknown").
    """
    text = Text.of(read_bytes(path), path, written.encoding, "set `encoding`")
    header, start = text.header()
    types = _header_types(path, header, written.separator)
    loaded = {field: kind for field, kind in types.items() if (load is None or field in load) and field not in unload}
    if time_field is not None and time_field in loaded:
        needed = {**needed, time_field: "float"}
    _check_columns(path, types, needed)
    if needed and not text.content[start:].strip():
        raise UsageError(f"{path} has a header but no lines below it")
    origin = _file(text, start)
    frame = _parse(text, start, types, {**needed, **loaded}, time_field, written.separator)
    for field, kind in needed.items():
        refuse_missing(frame[field], field, origin)
        if kind == "token":
            _refuse_negative(frame[field], field, origin)
    if time_field is not None and time_field in needed:
        frame[time_field] = refuse_not_a_number(frame[time_field], time_field, origin, origin.time_remedy)
    for field, kind in loaded.items():
        if field != time_field:
            frame[field] = _loaded(frame[field], field, kind, origin, written.sequence_separator)
    return loaded, frame[list(loaded)]


def _file(text: Text, start: int) -> Origin:
    """The file's words for messages; what reads it has no options, but ``recbole-cl convert`` has them."""
    is_log = text.path.suffix == ".inter"
    return replace(
        text_file(text, start),
        drop_option="leave them out with `recbole-cl convert --drop-missing`, " if is_log else "",
        time_remedy="give times as numbers, such as seconds since 1970; `recbole-cl convert` reads ISO 8601 dates",
    )


def _header_types(path: Path, header: str, separator: str) -> dict[str, str]:
    """Reads the typed header as type by field name."""
    if not header:
        raise UsageError(f"{path} is empty: its first line must be a header such as user_id:token<TAB>item_id:token")
    types: dict[str, str] = {}
    for column in next(csv.reader([header], delimiter=separator)):
        field, _, kind = column.partition(":")
        if not field or kind not in FIELD_TYPES:
            raise UsageError(
                f"{path}: header column {column!r} has no known type: write it as name:type, "
                f"with type one of {', '.join(FIELD_TYPES)}, and separate columns by {separator!r}"
            )
        if field in types:
            raise UsageError(f"{path}: the header names column {field!r} twice: rename one of them")
        types[field] = kind
    return types


def _check_columns(path: Path, types: Mapping[str, str], needed: Mapping[str, str]) -> None:
    """Refuses a header that lacks one of the needed columns, or has another type for it."""
    for field, kind in needed.items():
        if field not in types:
            raise UsageError(
                f"{path} has no column {field!r}; it has {', '.join(types)}: "
                "set USER_ID_FIELD, ITEM_ID_FIELD and TIME_FIELD to the names in the file"
            )
        if types[field] != kind:
            raise UsageError(f"{path}: column {field!r} has type {types[field]!r} and must be {field}:{kind}")


def _parse(
    text: Text, start: int, types: Mapping[str, str], wanted: Mapping[str, str], time_field: str | None, separator: str
) -> pd.DataFrame:
    """Parses columns: tokens as categories (each text is stored once), sequences as text, floats as float64.

    Times are int64 if all of them are integers, because float64 may not hold them exactly.
    """
    content, n_rows = checked_rows(text, start, separator, len(types), lenient=True, remedy=_QUOTES)

    def parse(float_type: type) -> pd.DataFrame:
        python_types = {"token": "category", "float": float_type}
        dtypes = {field: python_types.get(kind, str) for field, kind in wanted.items() if field != time_field}
        file = io.BytesIO(content)
        if content is text.content:
            file.seek(start)
        return pd.read_csv(
            file,
            sep=separator,
            header=None,
            names=list(types),
            usecols=list(wanted),
            dtype=dtypes,
            index_col=False,
            low_memory=False,
            float_precision="round_trip",
        )

    if not n_rows:
        return pd.DataFrame({field: pd.Series(dtype=object) for field in wanted})
    try:
        frame = parse(np.float64)
    except ValueError:  # a float is not a number; parsed as text, the checks can name its line
        frame = parse(str)
    if len(frame) != n_rows:
        raise UsageError(f"{text.path}: {len(frame):,} rows were read from {n_rows:,} lines: fix its quotation marks")
    return frame


def _refuse_negative(ids: pd.Series, field: str, origin: Origin) -> None:
    """Refuses negative ids if all ids are numbers; among other tokens, '-1' is an ordinary name."""
    names = pd.Series(ids.cat.categories, dtype=object)
    numbers = pd.to_numeric(names, errors="coerce")
    if numbers.notna().all() and (numbers < 0).any():
        name = names[numbers < 0].iloc[0]
        place = origin.place(int((ids == name).to_numpy().argmax()))
        raise UsageError(f"{place}: negative id {name} in {field!r}: remove the lines or renumber the ids")


def _loaded(values: pd.Series, field: str, kind: str, origin: Origin, separator: str) -> pd.Series:
    """Converts a column to RecBole's form: missing floats and tokens stay missing, missing sequences are empty."""
    if kind == "token":
        return values.astype(object)
    if kind == "float":
        remedy = "give a number, or leave the column out of load_col"
        text = values.dtype == object
        return refuse_not_a_number(values.fillna("0"), field, origin, remedy).where(values.notna()) if text else values
    members = values.fillna("").str.split(separator).map(lambda words: [word for word in words if word])
    if kind == "float_seq":
        return _float_lists(members, field, origin)
    return pd.Series([np.array(words) for words in members], index=values.index, dtype=object)


def _float_lists(members: pd.Series, field: str, origin: Origin) -> pd.Series:
    """Converts lists of words to arrays of float64."""
    lists = []
    for row, words in enumerate(members):
        try:
            lists.append(np.array([float(word) for word in words]))
        except ValueError as error:
            raise UsageError(f"{origin.place(row)}: {field!r} is no list of numbers ({error}): fix it") from None
    return pd.Series(lists, index=members.index, dtype=object)
