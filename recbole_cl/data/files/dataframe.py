"""A DataFrame as a dataset: written once as an atomic file, which runs then read by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from recbole_cl.data.files.columns import ITEM, TIME, USER, Columns, interactions
from recbole_cl.data.files.origin import Origin
from recbole_cl.data.files.output import DEFAULT_OUTPUT, Output, atomic_text
from recbole_cl.errors import UsageError

_ORIGIN = Origin(
    name="the DataFrame",
    unit="row",
    place=lambda row: f"the DataFrame, row {row} from 0",
    column_option="{}=...",
    without_rating="rating=None",
    time_remedy="give times as seconds since 1970, or as a datetime column",
)


class HasToPandas(Protocol):
    """A table that turns itself into a pandas DataFrame, as polars' does."""

    def to_pandas(self) -> Any:
        """Returns the table as a pandas DataFrame."""


@dataclass(frozen=True)
class NamedData:
    """A dataset on disk, as ``run(dataset=...)`` takes it.

    Attributes:
        name: Its name, the setting ``dataset``.
        data_path: The folder of all datasets, the setting ``data_path``.
    """

    name: str
    data_path: Path


DataSource = str | NamedData | pd.DataFrame | HasToPandas  # what ``run(dataset=...)`` takes


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
) -> NamedData:
    """Writes ``<data_path>/<name>/<name>.inter``, unless it is there with this content, and settings where needed.

    Args:
        df: One row per interaction: a pandas DataFrame, or a table with ``to_pandas``.
        user: Column of user ids, text or numbers.
        item: Column of item ids.
        time: Column of times: seconds since 1970, or any number that grows with time; or a datetime column.
        rating: Column of ratings; None leaves them out.
        name: The dataset's name.
        data_path: Folder of all datasets.
        overwrite: Whether to replace data of that name, and its settings.

    Returns:
        What to give to ``run(dataset=...)``.

    Raises:
        UsageError: If the table, a column, a value or the name is not usable, or there is other data of that name
            (files that were changed since they were written are other data).
    """
    files = Output(name, Path(data_path), again="from_dataframe(..., overwrite=True)")
    columns = Columns(user, item, time, rating or "")
    content = atomic_text(interactions(_table(df, columns), columns, _ORIGIN))
    if overwrite or not files.inter.is_file() or files.inter.read_bytes() != content:
        if not overwrite:
            files.refuse_existing(f"it is not from this DataFrame; give another name, or replace it by {files.again}")
        files.write(content, has_times=True)
    return NamedData(files.name, files.data_path)


def named_data(dataset: Any, settings: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Turns what ``run(dataset=...)`` takes into a name and the settings that lead to it; a table is written first.

    Args:
        dataset: A table, ``NamedData``, or what the setting ``dataset`` may be, which is left as it is.
        settings: The caller's settings. With a table, ``user``, ``item``, ``time``, ``rating``, ``name`` and
            ``data_path`` are arguments of ``from_dataframe``.

    Returns:
        The setting ``dataset``, and all others.

    Raises:
        UsageError: As ``from_dataframe``; or if a table has no name, or the data lie under another ``data_path``.
    """
    rest = dict(settings)
    if isinstance(dataset, pd.DataFrame) or hasattr(dataset, "to_pandas"):
        if "name" not in rest:
            raise UsageError("dataset is a DataFrame without a name: give name=..., under which data_path keeps it")
        taken = ("user", "item", "time", "rating", "name", "data_path")
        dataset = from_dataframe(dataset, **{key: rest.pop(key) for key in taken if key in rest})
    if isinstance(dataset, NamedData):
        if Path(rest.get("data_path", dataset.data_path)) != dataset.data_path:
            raise UsageError(f"data_path = {rest['data_path']}: {dataset} lies elsewhere; leave data_path out")
        return dataset.name, rest | {"data_path": str(dataset.data_path)}
    return dataset, rest


def _table(df: Any, columns: Columns) -> pd.DataFrame:
    """The table as a pandas DataFrame, in which the wanted columns stand once."""
    frame = df.to_pandas() if hasattr(df, "to_pandas") else df
    if not isinstance(frame, pd.DataFrame):
        raise UsageError(f"a {type(df).__name__} is no DataFrame: give one of pandas, or of polars (with `to_pandas`)")
    for column in (columns.user, columns.item, columns.time, columns.rating):
        if (count := int((frame.columns == column).sum())) > 1:
            raise UsageError(f"the DataFrame has {count} columns named {column!r}: rename all but one")
    return frame
