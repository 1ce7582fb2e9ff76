"""Turns a DataFrame or files into a dataset: written once as an atomic file, which runs then read by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from inspect import signature
from logging import getLogger
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from recbole_cl.data.files.cleaning import Cleaning, interactions, without_duplicates
from recbole_cl.data.files.columns import ITEM, TIME, USER, Columns
from recbole_cl.data.files.origin import Origin
from recbole_cl.data.files.output import DEFAULT_OUTPUT, Output, atomic_text
from recbole_cl.data.files.sources import Log, Reading, read_log
from recbole_cl.data.files.times import numbers_of
from recbole_cl.errors import UsageError

_ORIGIN = Origin(
    name="the DataFrame",
    unit="row",
    place=lambda row: f"the DataFrame, row {row} from 0",
    column_option="{}=...",
    without_rating="rating=None",
    drop_option="give drop_missing=True to leave them out, ",
    time_remedy="give times as seconds since 1970, as a datetime column, or as ISO 8601 dates",
)


class HasToPandas(Protocol):
    """A table that can convert itself to a pandas DataFrame, as polars' can."""

    def to_pandas(self) -> Any:
        """Returns the table as a pandas DataFrame."""


@dataclass(frozen=True)
class NamedData:
    """A dataset on disk, for ``run(dataset=...)``.

    Attributes:
        name: Its name, the setting ``dataset``.
        data_path: The folder of all datasets, the setting ``data_path``.
    """

    name: str
    data_path: Path


# The accepted values of ``run(dataset=...)``.
DataSource = str | NamedData | pd.DataFrame | HasToPandas | Path | Sequence[Path]


def from_dataframe(
    df: pd.DataFrame | HasToPandas,
    user: str = USER,
    item: str = ITEM,
    time: str = TIME,
    rating: str | None = None,
    *,
    name: str,
    data_path: str | Path = DEFAULT_OUTPUT,
    overwrite: bool = False,
    drop_missing: bool = False,
    drop_duplicates: bool = False,
    time_zone: str = "UTC",
) -> NamedData:
    """Writes ``<data_path>/<name>/<name>.inter``, and settings if needed; keeps a file that has this content already.

    Args:
        df: One row per interaction: a pandas DataFrame, or a table with ``to_pandas``.
        user: Column of user ids, text or numbers.
        item: Column of item ids.
        time: Column of times: seconds since 1970, or any number that grows with time; a datetime column; or ISO dates.
        rating: Column of ratings; None leaves them out.
        name: The dataset's name.
        data_path: Folder of all datasets.
        overwrite: Whether to replace data of the same name, and their settings.
        drop_missing: Whether rows that lack a value are dropped instead of refused; the log counts them.
        drop_duplicates: Whether only the first of several rows that are equal in these columns is kept.
        time_zone: Time zone of dates as text that name none.

    Returns:
        The argument for ``run(dataset=...)``.

    Raises:
        UsageError: If the table, a column, a value or the name is not usable, or other data of the same name exist
            (files changed after they were written count as other data).
    """
    files = Output(name, Path(data_path), again="from_dataframe(..., overwrite=True)")
    columns = Columns(user, item, time, rating or "")
    cleaning = Cleaning(drop_missing, drop_duplicates, time_zone)
    frame, notes = interactions(_table(df, columns), columns, _ORIGIN, cleaning)
    frame[TIME] = numbers_of(frame[TIME])
    frame, more = without_duplicates(frame, cleaning)
    return _write_once(files, Log(frame, True, notes + more), overwrite)


def from_files(
    sources: Path | Sequence[Path],
    user: str | None = None,
    item: str | None = None,
    time: str | None = None,
    rating: str | None = None,
    *,
    name: str,
    data_path: str | Path = DEFAULT_OUTPUT,
    overwrite: bool = False,
    source_format: str | None = None,
    separator: str | None = None,
    header: bool | None = None,
    encoding: str = "utf-8",
    quotes: str = "line",
    drop_missing: bool = False,
    drop_duplicates: bool = False,
    time_zone: str = "UTC",
) -> NamedData:
    """Does the same as ``recbole-cl convert``; does nothing if the dataset exists with this content.

    Args:
        sources: A file, or the files of one log, in order.
        user: Column of users. For this and the other columns, None means that it is guessed, and logged.
        item: Column of items.
        time: Column of times, numbers or ISO dates.
        rating: Column of ratings; an empty name leaves them out.
        name: The dataset's name.
        data_path: Folder of all datasets.
        overwrite: Whether to replace data of the same name, and their settings.
        source_format: ``csv``, ``jsonl``, ``sequences``, ``atomic`` or ``parquet``.
        separator: The separator between values.
        header: Whether the first line names the columns.
        encoding: Encoding of the text.
        quotes: The meaning of quotation marks: ``line``, ``none`` or ``multiline``; see ``read_csv``.
        drop_missing: As for ``from_dataframe``.
        drop_duplicates: Whether only the first of several equal rows is kept.
        time_zone: Time zone of dates that name none.

    Returns:
        The argument for ``run(dataset=...)``.

    Raises:
        UsageError: If a file or the name is not usable, or other data of the same name exist.
    """
    files = Output(name, Path(data_path), again="from_files(..., overwrite=True)")
    cleaning = Cleaning(drop_missing, drop_duplicates, time_zone)
    columns = Columns(user, item, time, rating)
    reading = Reading(source_format, columns, separator, header, encoding, quotes, cleaning)
    return _write_once(files, read_log([sources] if isinstance(sources, Path) else sources, reading), overwrite)


def named_data(dataset: Any, settings: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Converts the argument of ``run(dataset=...)`` to a name and further settings; writes tables and files first.

    Args:
        dataset: A table, one or several paths, ``NamedData``, or a value of the setting ``dataset``, which is returned
            as is.
        settings: The caller's settings. For a table, arguments of ``from_dataframe`` among them are passed to it; for a
            path, those of ``from_files``.

    Returns:
        The setting ``dataset``, and all others.

    Raises:
        UsageError: As ``from_dataframe`` and ``from_files``; or if a table or a file has no name, or the data are in
            another ``data_path``.
    """
    rest = dict(settings)
    is_table = isinstance(dataset, pd.DataFrame) or hasattr(dataset, "to_pandas")
    is_list = isinstance(dataset, list | tuple) and bool(dataset) and all(isinstance(it, Path) for it in dataset)
    if is_table or is_list or isinstance(dataset, Path):
        if rest.get("name") is None:
            what = "a DataFrame" if is_table else "a path"
            raise UsageError(f"dataset is {what} without a name: give name=..., under which data_path keeps it")
        write: Any = from_dataframe if is_table else from_files
        taken = [*signature(write).parameters][1:]
        dataset = write(dataset, **{key: rest.pop(key) for key in taken if key in rest})
    if isinstance(dataset, NamedData):
        if Path(rest.get("data_path", dataset.data_path)) != dataset.data_path:
            raise UsageError(f"data_path = {rest['data_path']}: {dataset} lies elsewhere; leave data_path out")
        return dataset.name, rest | {"data_path": str(dataset.data_path)}
    return dataset, rest


def _write_once(files: Output, log: Log, overwrite: bool) -> NamedData:
    """Writes a dataset unless it exists already; other data of the same name are refused, or replaced."""
    for note in log.notes:
        getLogger().info(note)
    content = atomic_text(log.interactions)
    if overwrite or not files.inter.is_file() or files.inter.read_bytes() != content:
        if not overwrite:
            files.refuse_existing(f"it is of other content; give another name, or replace it by {files.again}")
        files.write(content, has_times=log.has_times)
    return NamedData(files.name, files.data_path)


def _table(df: Any, columns: Columns) -> pd.DataFrame:
    """The table as a pandas DataFrame that has each of the wanted columns exactly once."""
    frame = _to_pandas(df) if hasattr(df, "to_pandas") else df
    if not isinstance(frame, pd.DataFrame):
        raise UsageError(f"a {type(df).__name__} is no DataFrame: give one of pandas, or of polars (with `to_pandas`)")
    for column in (columns.user, columns.item, columns.time, columns.rating):
        if (count := int((frame.columns == column).sum())) > 1:
            raise UsageError(f"the DataFrame has {count} columns named {column!r}: rename all but one")
    return frame


def _to_pandas(table: Any) -> Any:
    """Converts a table; integers beside a missing value stay exact where pyarrow does it, as for polars' tables."""
    try:
        return table.to_pandas(integer_object_nulls=True)
    except TypeError:
        return table.to_pandas()
