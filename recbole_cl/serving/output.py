"""Tables of recommendations, and files to which they are written batch by batch.

Letters: B rows, K list length, R rows of all batches.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from recbole_cl.data.vocabulary import Vocabulary
from recbole_cl.errors import UsageError
from recbole_cl.serving.top_items import TopItems
from recbole_cl.writing import atomic_writer

Write = Callable[[pd.DataFrame], None]
FORMATS = ("csv", "jsonl", "parquet")


def frame_of(names: Sequence[str], items: Vocabulary, lists: Sequence[TopItems]) -> pd.DataFrame:
    """Recommendations as a table, one per line: user, rank from 1, item, score.

    Args:
        names: The name of each row, R.
        items: The items by id.
        lists: Batches of lists, R rows together.
    """
    return _long_table(names, items, lists, "user", "item")


def neighbours_of(ids: Sequence[int], items: Vocabulary, lists: Sequence[TopItems]) -> pd.DataFrame:
    """Nearest items as a table, one per line: item, rank from 1, similar, score."""
    return _long_table([items.tokens[i] for i in ids], items, lists, "item", "similar")


def _long_table(
    names: Sequence[str], items: Vocabulary, lists: Sequence[TopItems], left: str, right: str
) -> pd.DataFrame:
    columns = [left, "rank", right, "score"]
    if not lists:
        return pd.DataFrame({name: [] for name in columns})
    found = torch.cat([batch.item for batch in lists]).numpy()  # [R, K]
    score = torch.cat([batch.score for batch in lists]).numpy()
    there = np.isfinite(score)
    tokens = np.array(items.tokens, dtype=object)
    rank = np.broadcast_to(np.arange(1, found.shape[1] + 1), found.shape)
    who = np.repeat(np.array(names, dtype=object), there.sum(axis=1))
    return pd.DataFrame(dict(zip(columns, (who, rank[there], tokens[found[there]], score[there]), strict=True)))


def refuse_wrong_name(file: Path | None, endings: Sequence[str] = FORMATS) -> None:
    """Refuses the name of an output file; commands call it before they load or compute anything.

    Args:
        file: The file; None for none.
        endings: The endings that it may have.

    Raises:
        UsageError: If it has another ending, or Parquet is asked for and pyarrow is not installed.
    """
    ending = None if file is None else file.suffix.lstrip(".").lower()
    if ending is not None and ending not in endings:
        raise UsageError(f"{file}: expected a name that ends in .{', .'.join(endings)}")
    if ending == "parquet":
        try:
            import pyarrow  # noqa: F401
        except ImportError:
            others = ", .".join(it for it in endings if it != ending)
            raise UsageError(
                f"{file}: Parquet needs pyarrow; pip install 'recbole_cl[files]', or name a .{others}"
            ) from None


@contextmanager
def table_writer(file: Path) -> Iterator[Write]:
    """Opens a file for tables, in the format of its ending; the file appears complete or not at all.

    Args:
        file: Ends in .csv, .jsonl or .parquet.

    Yields:
        A function that appends a table; all tables have the same columns.

    Raises:
        UsageError: If the ending is another one, or Parquet is asked for and pyarrow is not installed.
    """
    refuse_wrong_name(file)
    ending = file.suffix.lstrip(".").lower()
    file.parent.mkdir(parents=True, exist_ok=True)
    if ending == "parquet":
        with _parquet_writer(file) as write:
            yield write
        return
    with atomic_writer(file) as raw:
        text = io.TextIOWrapper(raw, encoding="utf-8", newline="", write_through=True)
        try:
            yield _csv_lines(text) if ending == "csv" else _json_lines(text)
        finally:
            text.detach()  # otherwise it would close the file, which is still to be renamed


def _csv_lines(text: io.TextIOBase) -> Write:
    begun = False

    def write(table: pd.DataFrame) -> None:
        nonlocal begun
        table.to_csv(text, index=False, header=not begun, quoting=csv.QUOTE_MINIMAL, lineterminator="\n")
        begun = True

    return write


def _json_lines(text: io.TextIOBase) -> Write:
    def write(table: pd.DataFrame) -> None:
        for values in _objects(table):
            text.write(json.dumps(values, ensure_ascii=False) + "\n")

    return write


def _objects(table: pd.DataFrame) -> Iterator[dict[Any, Any]]:
    """An object for each line; in a table with ranks, for each list, which begins at rank 1."""
    if "rank" not in table:
        yield from table.to_dict("records")
        return
    first, *others = (column for column in table.columns if column != "rank")
    for _, rows in table.groupby((table["rank"] == 1).cumsum()):
        yield {first: rows[first].iloc[0], **{column: rows[column].tolist() for column in others}}


@contextmanager
def _parquet_writer(file: Path) -> Iterator[Write]:
    import pyarrow
    from pyarrow import parquet

    with atomic_writer(file) as raw:
        writer: Any = None

        def write(table: pd.DataFrame) -> None:
            nonlocal writer
            rows = pyarrow.Table.from_pandas(table, preserve_index=False)
            writer = writer or parquet.ParquetWriter(raw, rows.schema)
            writer.write_table(rows.cast(writer.schema))

        try:
            yield write
        finally:  # after an error, too: later, pyarrow would close it with a traceback
            if writer is not None:
                writer.close()
