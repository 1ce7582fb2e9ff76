"""Readers give interactions in the order of the file, as they are written, and refuse with the file's own line."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from recbole_cl.data.files.columns import Columns
from recbole_cl.data.files.readers import Table, read_csv, read_jsonl, read_parquet, read_sequences
from recbole_cl.data.files.text import Text
from recbole_cl.errors import UsageError

HEADER = "user_id,item_id,timestamp,note\n"


def text(content: str) -> Text:
    return Text.of(content.encode(), Path("log"), "utf-8", "")


def csv(content: str, columns: Columns | None = None, separator: str = ",", **how: object) -> Table:
    options: dict[str, object] = {"header": True, "quotes": "line", **how}
    return read_csv(text(content), columns or Columns(), separator, **options)  # type: ignore[arg-type]


def test_csv_ids_are_text_as_written_and_times_numbers() -> None:
    content = "\ufeffwhen|what|who|stars|more\n20|007|zoë|5|a\n\n3|1.0|-1|4|b\n"
    table, _, origin = csv(content, Columns("who", "what", "when", "stars"), "|")
    assert table[["who", "what", "stars", "when"]].to_numpy().tolist() == [["zoë", "007", 5, 20], ["-1", "1.0", 4, 3]]
    assert table["when"].dtype == "int64" and origin.place(1) == "log, line 4"


def test_columns_that_nobody_asks_for_may_share_a_name() -> None:
    table, _, _ = csv("x,user_id,item_id,timestamp,x,,\n0,u,i,7,1,,\n")
    assert table.to_dict("list") == {"user_id": ["u"], "item_id": ["i"], "timestamp": [7]}


def test_a_quotation_mark_that_is_not_closed_swallows_no_row() -> None:
    """Case: of 18 lines 12 were left, since a mark opened one title and the next one closed another."""
    rows = "".join(f"u,i{k},{k},{note}\n" for k, note in enumerate(['"Weird Bob', "x", '12" Remixes'] * 6))
    with pytest.raises(UsageError, match="log, line 2: a quotation mark opens a field.*--quotes none.*multiline"):
        csv(HEADER + rows)
    table, _, _ = csv(HEADER + rows, quotes="none")
    assert table["item_id"].tolist() == [f"i{k}" for k in range(18)]


def test_values_with_line_breaks_are_read_where_that_is_asked_for() -> None:
    content = HEADER + 'u,"a, b",1,"one\n\ntwo"\nu,c,2,x\n'
    table, _, origin = csv(content, quotes="multiline")
    assert table["item_id"].tolist() == ["a, b", "c"] and origin.place(1) == "log, line 5"
    for wrong in ('u,c,2,"x\n', "u,c,2\n"):
        with pytest.raises(UsageError, match="log, line 5: malformed row"):
            csv(HEADER + 'u,a,1,"one\n\ntwo"\n' + wrong, quotes="multiline")


@pytest.mark.parametrize("quotes", ["line", "multiline"])
def test_large_times_are_exact_beside_a_missing_one(quotes: str) -> None:
    table, _, _ = csv(HEADER + "u,a,1714557600123456789,\nu,b,,\nu,c,1714557600123456788,\n", quotes=quotes)
    assert table["timestamp"].tolist()[::2] == ["1714557600123456789", "1714557600123456788"]


def test_separators_of_several_characters_and_files_without_header() -> None:
    table, columns, _ = csv("1::1193::5::978300760\n1::661::3::978302109\n", separator="::", header=False)
    assert columns == Columns("1", "2", "4", "3")
    assert table["2"].tolist() == ["1193", "661"] and table["4"].tolist() == [978300760, 978302109]
    assert csv("u\ti\t7\n", Columns(time="3"), "\t", header=False)[1] == Columns("1", "2", "3", "")


def test_json_numbers_are_kept_as_written() -> None:
    first = '{"user_id": 1, "item_id": 12345678901234567890, "timestamp": "3", "more": [1]}'
    table, _, _ = read_jsonl(text(f'{first}\n{{"timestamp": 1e5, "item_id": 7.0, "user_id": "b"}}'), Columns())
    assert table.to_numpy().tolist() == [["1", "12345678901234567890", "3"], ["b", "7.0", "1e5"]]
    with pytest.raises(UsageError, match="line 1: malformed line, no JSON: nested too deep"):
        read_jsonl(text("[" * 100_000), Columns())


def test_sequences_count_positions_on_over_a_users_lines() -> None:
    table, _, _ = read_sequences(text("9 5 12345678901234567890\n\n03 6\n9 8\n"))
    expected = [["9", "5", 1], ["9", "12345678901234567890", 2], ["03", "6", 1], ["9", "8", 3]]
    assert table.to_numpy().tolist() == expected


def test_parquet_is_read_by_the_columns_that_are_asked_for(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    path = tmp_path / "log.parquet"
    pd.DataFrame({"uid": ["a"], "sku": ["007"], "at": pd.to_datetime(["2024-01-01"]), "note": [1]}).to_parquet(path)
    table, _, origin = read_parquet(path, path.read_bytes(), Columns("uid", "sku", "at"))
    assert list(table) == ["uid", "sku", "at"] and origin.place(0) == f"{path}, row 0 from 0"
    with pytest.raises(UsageError, match="Parquet that cannot be read"):
        read_parquet(path, path.read_bytes()[:-20], Columns())


def test_large_integers_of_parquet_are_exact_beside_a_missing_one(tmp_path: Path) -> None:
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "log.parquet"
    numbers = [2**60 + 1, None, 2**60 + 2]
    parquet.write_table(pyarrow.table({"user_id": numbers, "item_id": numbers, "timestamp": numbers}), path)
    table, _, _ = read_parquet(path, path.read_bytes(), Columns())
    assert table["user_id"].tolist() == table["timestamp"].tolist() == numbers


def test_an_unknown_column_is_refused_with_the_nearest_and_the_option() -> None:
    with pytest.raises(UsageError, match="no column 'timestamp'.*did you mean 'time_stamps'.*--time-column"):
        csv("user_id,item_id,time_stamps\n1,2,3\n")
