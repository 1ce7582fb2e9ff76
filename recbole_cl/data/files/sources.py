"""Reads a log of interactions from files in common formats; the format is guessed unless it is given."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
from pandas.api.types import is_datetime64_dtype

from recbole_cl.data.files.atomic import FIELD_TYPES
from recbole_cl.data.files.cleaning import DEFAULT_CLEANING, Cleaning, interactions, without_duplicates
from recbole_cl.data.files.columns import ITEM, TIME, USER, Columns
from recbole_cl.data.files.compressed import read_bytes
from recbole_cl.data.files.readers import QUOTES, Table, read_csv, read_jsonl, read_parquet, read_sequences
from recbole_cl.data.files.text import Text
from recbole_cl.data.files.times import numbers_of
from recbole_cl.errors import UsageError

FORMATS = ("csv", "jsonl", "sequences", "atomic", "parquet")
_SEPARATORS = ("::", "\t", ",", ";", "|")
_NOT_SECONDS = 10**11  # since 1970: smaller numbers are read as seconds
_LINES = 20  # number of lines that a guess uses
_NUMBER_OR_DATE = re.compile(r"[-+]?\d+(\.\d*)?([eE][-+]?\d+)?|\d{4}-\d\d-\d\d.*")
_TYPED = re.compile(rf"[^:]+:({'|'.join(FIELD_TYPES)})")


@dataclass(frozen=True)
class Reading:
    """How to read a source; everything that is None is guessed, and reported.

    Attributes:
        source_format: One of ``FORMATS``.
        columns: Names of the columns or keys; numbers from 1 if there is no header.
        separator: The separator between values.
        header: Whether the first line names the columns.
        encoding: Encoding of the text.
        quotes: The meaning of quotation marks, see ``read_csv``.
        cleaning: How to treat incomplete and repeated rows.
    """

    source_format: str | None = None
    columns: Columns = field(default_factory=Columns)
    separator: str | None = None
    header: bool | None = None
    encoding: str = "utf-8"
    quotes: str = "line"
    cleaning: Cleaning = DEFAULT_CLEANING


@dataclass(frozen=True)
class Log:
    """Interactions, and notes on how their source was read.

    Attributes:
        interactions: As ``cleaning.py`` describes them.
        has_times: Whether timestamps are times, not positions.
        notes: Lines for the user: format, columns, what was left out.
    """

    interactions: pd.DataFrame
    has_times: bool
    notes: list[str]


def read_log(sources: Sequence[Path], reading: Reading) -> Log:
    """Reads one log from one file, or from several in order.

    Args:
        sources: The files.
        reading: How to read them.

    Returns:
        All their interactions.

    Raises:
        UsageError: If a file cannot be read, or its content does not fit a dataset.
    """
    if reading.source_format not in (None, *FORMATS):
        raise UsageError(f"format {reading.source_format!r} is not known: choose {', '.join(FORMATS)}")
    if reading.quotes not in QUOTES:
        raise UsageError(f"quotes {reading.quotes!r} is not known: choose {', '.join(QUOTES)}")
    frames, notes, kinds = [], [], set()
    for source in sources:
        (table, columns, origin), how, kind = _table(source, reading)
        frame, said = interactions(table, columns, origin, reading.cleaning)
        del table
        frames.append(frame)
        notes += [f"{source}: {how}", *(f"  {note}" for note in said)]
        kinds.add(kind == "sequences")
    if len(kinds) > 1:
        raise UsageError("some of the files are sequence text, which has no times: convert them by themselves")
    if len({tuple(frame) for frame in frames}) > 1:
        raise UsageError("some of the files have ratings and some have none: leave ratings out with --rating-column ''")
    frame = frames[0] if len(frames) == 1 else _joined(frames)
    frame[TIME] = numbers_of(frame[TIME])
    frame, said = without_duplicates(frame, reading.cleaning)
    return Log(frame, not kinds.pop(), notes + said)


def _joined(frames: list[pd.DataFrame]) -> pd.DataFrame:
    if len({is_datetime64_dtype(frame[TIME]) for frame in frames}) > 1:
        frames = [frame.assign(**{TIME: numbers_of(frame[TIME])}) for frame in frames]
        if any((frame[TIME].abs() >= _NOT_SECONDS).any() for frame in frames):
            raise UsageError("some of the files have dates as times and some have no seconds: write all in one form")
    mixed = [name for name in (USER, ITEM) if len({frame[name].dtype for frame in frames}) > 1]
    frames = [frame.astype(dict.fromkeys(mixed, str)) for frame in frames]  # 1 and "1" are the same id
    try:
        return pd.concat(frames, ignore_index=True).astype(dict.fromkeys(mixed, "category"))
    except pd.errors.OutOfBoundsDatetime:
        raise UsageError("nanoseconds in one file and dates outside 1677 to 2262 in another: round some") from None


def _table(source: Path, reading: Reading) -> tuple[Table, str, str]:
    """The table in a file, a description of how it was read, and its format."""
    if not source.is_file():
        raise UsageError(f"source {source} is not a file: check the path")
    kind, guessed = reading.source_format, " (guessed)" if reading.source_format is None else ""
    content = read_bytes(source)
    if kind == "parquet" or (kind is None and content.startswith(b"PAR1")):
        return read_parquet(source, content, reading.columns), f"parquet{guessed}", "parquet"
    text = Text.of(content, source, reading.encoding, "name its encoding by --encoding")
    lines = _first_lines(text)
    if kind in (None, "jsonl") and lines and re.match(r"\s*\[\s*([\[{\d]|$)", lines[0]):
        raise UsageError(f"{source} is a JSON array: write one object per line (jq -c '.[]')")
    kind = kind or _format(source, lines, reading.separator)
    if kind == "jsonl":
        return read_jsonl(text, reading.columns), f"jsonl{guessed}", kind
    if kind == "sequences":
        return read_sequences(text), f"sequences{guessed}", kind
    separator = _separator(lines) if reading.separator is None else reading.separator
    header = kind == "atomic" or (_has_header(lines, separator) if reading.header is None else reading.header)
    table = read_csv(text, reading.columns, separator, header=header, quotes=reading.quotes, typed=kind == "atomic")
    between = "" if reading.separator is not None else f", separated by {separator!r} (guessed)"
    top = "" if reading.header is not None or kind == "atomic" else f", {'a' if header else 'no'} header (guessed)"
    return table, f"{kind}{guessed}{between}{top}", kind


def _first_lines(text: Text) -> list[str]:
    """The first lines that are not blank, as many as a guess needs."""
    lines = text.content[: 1 << 20].decode(errors="ignore").split("\n")
    return [line for line in lines if line.strip()][:_LINES]


def _format(source: Path, lines: list[str], separator: str | None) -> str:
    if not lines:
        return "csv"  # its reader reports that the file is empty
    if lines[0].lstrip().startswith("{"):
        return "jsonl"
    if all(_TYPED.fullmatch(column.strip('"')) for column in lines[0].split(_separator(lines[:1]))):
        return "atomic"
    if separator is not None or not all(re.fullmatch(r"\s*\d+( +\d+)+\s*", line) for line in lines):
        return "csv"
    widths = {len(line.split()) for line in lines}
    if len(lines) > 1 and widths in ({3}, {4}):
        raise UsageError(
            f"{source} has {widths.pop()} numbers in each of its first lines: give --separator ' ' if they are a user, "
            "an item and a time, or --format sequences if they are a user and items"
        )
    return "sequences"


def _separator(lines: list[str]) -> str:
    """The separator that splits all lines into the same number of values, the largest such number; else a comma."""
    widths: dict[str, int] = {}
    for separator in _SEPARATORS:
        if len(separator) > 1:
            counts = {line.count(separator) for line in lines}
        else:
            counts = {len(row) - 1 for row in csv.reader(lines, delimiter=separator)}
        widths[separator] = counts.pop() if len(counts) == 1 else 0
    best = max(_SEPARATORS, key=lambda separator: (widths[separator], separator == ","))
    if widths[best]:
        return best
    return max(_SEPARATORS, key=lambda separator: lines[0].count(separator)) if lines else ","


def _has_header(lines: list[str], separator: str) -> bool:
    """Whether no value of the first line is a number or a date."""
    values = lines[0].split(separator) if lines and separator else []
    return not any(_NUMBER_OR_DATE.fullmatch(value.strip(' "')) for value in values)
