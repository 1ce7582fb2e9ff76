"""What is wrong with a dataset, in one line, before RecBole loads it.

RecBole drops rows without a user or an item, fills a missing timestamp with the mean time, and answers most other
mistakes with a traceback from inside pandas. These checks refuse them and name the remedy.
"""

from __future__ import annotations

import csv
import difflib
import gzip
from collections.abc import Sequence
from logging import getLogger
from pathlib import Path
from typing import IO

import numpy as np
import pandas as pd
import recbole
import yaml
from numpy.typing import NDArray

from recbole_cl.errors import UsageError

FIELD_TYPES = ("token", "token_seq", "float", "float_seq")
TIME_REMEDY = "give times as seconds since 1970"


def check_atomic_file(
    path: Path,
    user_field: str,
    item_field: str,
    time_field: str,
    *,
    scaled_times: bool = False,
    separator: str = "\t",
    encoding: str = "utf-8",
) -> None:
    """Refuses an atomic file that RecBole would misread or fail on, and warns of one that it would put in disorder.

    Args:
        path: The ``.inter`` file.
        user_field: Its user column, RecBole's ``USER_ID_FIELD``, such as ``user_id``.
        item_field: Its item column, ``ITEM_ID_FIELD``, such as ``item_id``.
        time_field: Its time column, ``TIME_FIELD``, such as ``timestamp``.
        scaled_times: Whether RecBole scales times to 0..1 before it rounds them, by ``normalize_all`` or
            ``normalize_field``.
        separator: One character between columns, RecBole's ``field_separator``.
        encoding: Encoding of the text, RecBole's ``encoding``.

    Raises:
        UsageError: If the file is missing or empty; the header lacks types or one of the columns; users or items are
            not tokens, or times not floats; a user, item or time is missing or not a number; or numeric ids are
            negative (usually a marker for "unknown").
    """
    if not path.is_file():
        raise UsageError(
            f"{path.parent} has no {path.name}: make it with `recbole-cl convert SOURCE --name {path.parent.name} "
            f"--output {path.parent.parent}`, or remove the folder to have RecBole download a dataset that it knows"
        )
    try:
        types = _header_types(path, separator, encoding)
        expected = {user_field: "token", item_field: "token", time_field: "float"}
        _check_columns(path, types, expected)
        frame = _read(path, [f"{field}:{kind}" for field, kind in expected.items()], separator, encoding)
    except UnicodeError as error:
        raise UsageError(f"{path} is not {encoding} text ({error}): convert it, or set `encoding`") from None
    frame = frame.rename(columns={column: column.partition(":")[0] for column in frame.columns})
    if frame.empty:
        raise UsageError(f"{path} has a header but no interactions")
    for field in expected:
        refuse_missing(frame[field], path, field, first_line=2)
    for field in (user_field, item_field):
        _refuse_negative(frame[field], path, field)
    times = refuse_not_a_number(frame[time_field], path, time_field, 2, TIME_REMEDY)
    if users := disordered_users(frame[user_field].cat.codes.to_numpy(), times.to_numpy(), scaled=scaled_times):
        scaling = "" if scaled_times else "; normalize_all: True may do for times of a few years"
        getLogger().warning(
            f"{path}: RecBole rounds times to float32, which puts the interactions of {users:,} users in another order "
            f"than their times; recbole-cl convert writes a file that is sorted{scaling}"
        )


def disordered_users(user: NDArray[np.integer], time: NDArray[np.float64], *, scaled: bool) -> int:
    """Counts the users whose interactions RecBole puts in a wrong order, since it sorts by times rounded to float32.

    Its sorts are stable: what is sorted in the file stays so.

    Args:
        user: A number for the user of each interaction, in the order of the file.
        time: Exact times, as read.
        scaled: Whether they are scaled to 0..1 before they are rounded.

    Shape:
        user, time: [I].

    Returns:
        How many have an earlier interaction behind a later one.
    """
    to_round = (time - time.min()) / (np.ptp(time) or 1) if scaled else time
    exact, rounded = (np.lexsort((times, user)) for times in (time, to_round.astype(np.float32)))
    return len(np.unique(user[exact[time[exact] != time[rounded]]]))


def _header_types(path: Path, separator: str, encoding: str) -> dict[str, str]:
    """Reads the typed header as type by field name, and refuses a first row of another width."""
    with path.open(encoding=encoding, newline="") as file:
        rows = csv.reader(file, delimiter=separator)
        header, first = next(rows, []), next(rows, [])
    if not header:
        raise UsageError(f"{path} is empty: its first line must be a header such as user_id:token<TAB>item_id:token")
    for column in header:
        field, _, kind = column.partition(":")
        if not field or kind not in FIELD_TYPES:
            raise UsageError(
                f"{path}: header column {column!r} has no known type: write it as name:type, "
                f"with type one of {', '.join(FIELD_TYPES)}, and separate columns by {separator!r}"
            )
    if first and len(first) != len(header):
        raise UsageError(f"{path}, line 2: {len(first)} values where the header names {len(header)} columns")
    return {field: kind for field, _, kind in (column.partition(":") for column in header)}


def _check_columns(path: Path, types: dict[str, str], expected: dict[str, str]) -> None:
    """Refuses a header without one of the expected columns, or with another type for it."""
    for field, kind in expected.items():
        if field not in types:
            raise UsageError(
                f"{path} has no column {field!r}; it has {', '.join(types)}: "
                "set USER_ID_FIELD, ITEM_ID_FIELD and TIME_FIELD to the names in the file"
            )
        if types[field] != kind:
            raise UsageError(f"{path}: column {field!r} has type {types[field]!r} and must be {field}:{kind}")


def _read(path: Path, columns: Sequence[str], separator: str, encoding: str) -> pd.DataFrame:
    """Reads the named columns, ids as categories (each id is made once) and the rest as pandas finds it."""
    ids = {column: "category" for column in columns if column.endswith(":token")}
    try:
        return pd.read_csv(
            path, sep=separator, usecols=list(columns), dtype=ids, encoding=encoding, index_col=False, low_memory=False
        )
    except pd.errors.ParserError as error:
        raise UsageError(f"{path}: malformed line: {parser_message(error)}") from None


def refuse_missing(values: pd.Series, path: Path, field: str, first_line: int) -> None:
    """Refuses missing values in a column.

    Args:
        values: The column, one value per non-blank line of the file.
        path: The file that it was read from.
        field: The column's name there.
        first_line: Number of header lines, plus 1.

    Raises:
        UsageError: If a value is missing; names the line of the first one.
    """
    missing = values.isna().to_numpy()
    if missing.any():
        raise UsageError(
            f"{path}, line {line_number(path, int(missing.argmax()), first_line)}: no value in {field!r} "
            f"(empty, or a word such as NA, None or null, which pandas reads as missing; {missing.sum():,} lines in "
            "all): remove the lines or rename the ids"
        )


def refuse_not_a_number(values: pd.Series, path: Path, field: str, first_line: int, remedy: str) -> pd.Series:
    """Returns a column as float64, and refuses values that are no finite number.

    Args:
        values: The column, without missing values, one value per non-blank line of the file.
        path: The file that it was read from.
        field: The column's name there.
        first_line: Number of header lines, plus 1.
        remedy: What to write instead, for the message.

    Returns:
        The same values as float64.

    Raises:
        UsageError: If a value is not a finite number; names the line of the first one.
    """
    numbers = pd.to_numeric(values, errors="coerce").astype(np.float64)
    wrong = ~np.isfinite(numbers.to_numpy())
    if wrong.any():
        row = int(wrong.argmax())
        line = line_number(path, row, first_line)
        raise UsageError(f"{path}, line {line}: {values.iloc[row]!r} in {field!r} is not a number: {remedy}")
    return numbers


def _refuse_negative(ids: pd.Series, path: Path, field: str) -> None:
    """Refuses negative ids where all ids are numbers; among other tokens '-1' is a name like any other."""
    names = pd.Series(ids.cat.categories, dtype=object)
    numbers = pd.to_numeric(names, errors="coerce")
    if numbers.notna().all() and (numbers < 0).any():
        name = names[numbers < 0].iloc[0]
        line = line_number(path, int((ids == name).to_numpy().argmax()), first_line=2)
        raise UsageError(f"{path}, line {line}: negative id {name} in {field!r}: remove the lines or renumber the ids")


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


def open_text(path: Path) -> IO[str]:
    """Opens a UTF-8 text file, with or without byte-order mark, decompressing it if its name ends in .gz."""
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig")
    return path.open(encoding="utf-8-sig")


def parser_message(error: pd.errors.ParserError) -> str:
    """The useful part of a pandas parser error, such as ``Expected 3 fields in line 7, saw 4``."""
    return str(error).strip().rpartition("C error: ")[2]


def downloadable_names() -> list[str]:
    """Lists the datasets that RecBole downloads by name."""
    urls = Path(recbole.__file__).parent / "properties" / "dataset" / "url.yaml"
    return sorted(yaml.safe_load(urls.read_text(encoding="utf-8")))


def nearest_names(name: str, data_path: Path) -> list[str]:
    """Finds names close to a mistyped one, among the datasets beside it and those that RecBole downloads.

    Args:
        name: The name asked for.
        data_path: The folder where that dataset would lie, ``<root>/<name>``.

    Returns:
        At most three names, the nearest first.
    """
    local = {folder.name for folder in data_path.parent.glob("*") if (folder / f"{folder.name}.inter").is_file()}
    known = {known.casefold(): known for known in sorted(local | set(downloadable_names()))}
    folded = name.casefold().replace("_", "-")
    return [known[key] for key in difflib.get_close_matches(folded, known, n=3, cutoff=0.6)]


def explain_missing_dataset(name: str, data_path: Path) -> str:
    """Says what to do about a dataset that is not there and cannot be downloaded.

    Args:
        name: The dataset's name.
        data_path: The folder where it would lie, ``<root>/<name>``; RecBole's ``data_path`` once a Config is made.

    Returns:
        One line, also fit for wrapping RecBole's download failure.
    """
    convert = f"make it from your own file with `recbole-cl convert SOURCE --name {name} --output {data_path.parent}`"
    place = f"or put an atomic file at {data_path / f'{name}.inter'}"
    if name in downloadable_names():
        return f"dataset {name!r} is not in {data_path.parent} and RecBole could not download it: {convert}, {place}"
    nearest = nearest_names(name, data_path)
    hint = f"did you mean {' or '.join(nearest)}? Otherwise " if nearest else ""
    unknown = f"dataset {name!r} is not in {data_path.parent} and RecBole knows none of that name"
    return f"{unknown}: {hint}{convert}, {place}"


def ensure_dataset_available(name: str, data_path: Path) -> None:
    """Refuses a dataset that is neither on disk nor known to RecBole; leaves the download of a known one to RecBole.

    Args:
        name: The dataset's name.
        data_path: The folder where it would lie, ``<root>/<name>``; RecBole's ``data_path`` once a Config is made.

    Raises:
        UsageError: If the folder is absent and RecBole has no address for the name; names the nearest ones.
    """
    if not data_path.exists() and name not in downloadable_names():
        raise UsageError(explain_missing_dataset(name, data_path))
