"""Reads RecBole's atomic file of interactions in one parse, and refuses in one line what is wrong with it.

RecBole drops rows without a user or an item, fills a missing timestamp with the mean time, and answers most other
mistakes with a traceback from inside pandas. These checks refuse them and name the remedy.
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Mapping
from logging import getLogger
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recbole_cl.data.files.origin import Origin, parser_message, refuse_missing, refuse_not_a_number, text_file
from recbole_cl.errors import UsageError

FIELD_TYPES = ("token", "token_seq", "float", "float_seq")


def read_atomic_file(
    path: Path,
    user_field: str,
    item_field: str,
    time_field: str,
    *,
    load: Collection[str] | None = None,
    unload: Collection[str] = (),
    scaled_times: bool = False,
    separator: str = "\t",
    sequence_separator: str = " ",
    encoding: str = "utf-8",
) -> tuple[dict[str, str], pd.DataFrame]:
    """Reads an atomic file, refuses one that RecBole would misread or fail on, warns of one that it puts in disorder.

    The three columns are checked whether they are loaded or not. A sound file is parsed once; one with a word among
    its numbers is parsed again as text, to say where.

    Args:
        path: The ``.inter`` file.
        user_field: Its user column, RecBole's ``USER_ID_FIELD``, such as ``user_id``.
        item_field: Its item column, ``ITEM_ID_FIELD``, such as ``item_id``.
        time_field: Its time column, ``TIME_FIELD``, such as ``timestamp``.
        load: Columns to load where the file has them; None for all.
        unload: Columns to leave out.
        scaled_times: Whether RecBole scales times to 0..1 before it rounds them, by ``normalize_all`` or
            ``normalize_field``.
        separator: One character between columns, RecBole's ``field_separator``.
        sequence_separator: What stands between the values of a sequence, RecBole's ``seq_separator``.
        encoding: Encoding of the text, RecBole's ``encoding``.

    Returns:
        The type of each loaded column, and the columns: text for ``token``, float64 for ``float``, arrays for
        ``token_seq`` and ``float_seq``; both in the order of the file.

    Raises:
        UsageError: If the file is empty; the header lacks types or one of the columns; users or items are not tokens,
            or times not floats; a user, item or time is missing or not a number; or numeric ids are negative (usually
            a marker for "unknown").
    """
    origin = text_file(path, first_line=2)
    needed = {user_field: "token", item_field: "token", time_field: "float"}
    try:
        types = _header_types(path, separator, encoding)
        _check_columns(path, types, needed)
        loaded = {
            field: kind for field, kind in types.items() if (load is None or field in load) and field not in unload
        }
        frame = _parse(path, needed | loaded, separator, encoding)
    except UnicodeError as error:
        raise UsageError(f"{path} is not {encoding} text ({error}): convert it, or set `encoding`") from None
    if frame.empty:
        raise UsageError(f"{path} has a header but no interactions")
    for field in needed:
        refuse_missing(frame[field], field, origin)
    for field in (user_field, item_field):
        _refuse_negative(frame[field], field, origin)
    frame[time_field] = refuse_not_a_number(frame[time_field], time_field, origin, origin.time_remedy)
    _warn_of_disorder(path, frame[user_field], frame[time_field], scaled_times)
    for field, kind in loaded.items():
        frame[field] = _loaded(frame[field], field, kind, origin, sequence_separator)
    return loaded, frame[list(loaded)]


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
    types: dict[str, str] = {}
    for column in header:
        field, _, kind = column.partition(":")
        if not field or kind not in FIELD_TYPES:
            raise UsageError(
                f"{path}: header column {column!r} has no known type: write it as name:type, "
                f"with type one of {', '.join(FIELD_TYPES)}, and separate columns by {separator!r}"
            )
        if field in types:
            raise UsageError(f"{path}: the header names column {field!r} twice: rename one of them")
        types[field] = kind
    if first and len(first) != len(header):
        raise UsageError(f"{path}, line 2: {len(first)} values where the header names {len(header)} columns")
    return types


def _check_columns(path: Path, types: Mapping[str, str], needed: Mapping[str, str]) -> None:
    """Refuses a header without one of the needed columns, or with another type for it."""
    for field, kind in needed.items():
        if field not in types:
            raise UsageError(
                f"{path} has no column {field!r}; it has {', '.join(types)}: "
                "set USER_ID_FIELD, ITEM_ID_FIELD and TIME_FIELD to the names in the file"
            )
        if types[field] != kind:
            raise UsageError(f"{path}: column {field!r} has type {types[field]!r} and must be {field}:{kind}")


def _parse(path: Path, types: Mapping[str, str], separator: str, encoding: str) -> pd.DataFrame:
    """Parses columns: tokens as categories (each is made once), sequences as text, floats to the nearest float64."""

    def parse(float_type: type) -> pd.DataFrame:
        python_types = {"token": "category", "float": float_type}
        dtypes = {f"{field}:{kind}": python_types.get(kind, str) for field, kind in types.items()}
        return pd.read_csv(
            path,
            sep=separator,
            usecols=list(dtypes),
            dtype=dtypes,
            encoding=encoding,
            index_col=False,
            low_memory=False,
            float_precision="round_trip",
        )

    try:
        frame = parse(np.float64)
    except UnicodeError:
        raise
    except pd.errors.ParserError as error:
        raise UsageError(f"{path}: malformed line: {parser_message(error)}") from None
    except ValueError:  # a float is none; as text the checks can name its line
        frame = parse(str)
    return frame.rename(columns={column: column.partition(":")[0] for column in frame.columns})


def _refuse_negative(ids: pd.Series, field: str, origin: Origin) -> None:
    """Refuses negative ids where all ids are numbers; among other tokens '-1' is a name like any other."""
    names = pd.Series(ids.cat.categories, dtype=object)
    numbers = pd.to_numeric(names, errors="coerce")
    if numbers.notna().all() and (numbers < 0).any():
        name = names[numbers < 0].iloc[0]
        place = origin.place(int((ids == name).to_numpy().argmax()))
        raise UsageError(f"{place}: negative id {name} in {field!r}: remove the lines or renumber the ids")


def _warn_of_disorder(path: Path, users: pd.Series, times: pd.Series, scaled: bool) -> None:
    """Warns of users whose interactions RecBole puts in another order than their times."""
    if count := disordered_users(users.cat.codes.to_numpy(), times.to_numpy(), scaled=scaled):
        scaling = "" if scaled else "; normalize_all: True may do for times of a few years"
        getLogger().warning(
            f"{path}: RecBole rounds times to float32, which puts the interactions of {count:,} users in another order "
            f"than their times; recbole-cl convert writes a file that is sorted{scaling}"
        )


def _loaded(values: pd.Series, field: str, kind: str, origin: Origin, separator: str) -> pd.Series:
    """A parsed column as RecBole holds it: a missing float or token is left missing, a missing sequence is empty."""
    if kind == "token":
        return values.astype(object)
    if kind == "float":
        remedy = "give a number, or leave the column out of load_col"
        text = values.dtype == object
        return refuse_not_a_number(values.fillna("0"), field, origin, remedy).where(values.notna()) if text else values
    member = float if kind == "float_seq" else str
    lists = ([member(word) for word in text.split(separator) if word] for text in values.fillna(""))
    return pd.Series([np.array(members) for members in lists], index=values.index, dtype=object)
