"""What a source is, guessed from its content, and several files of one log."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recbole_cl.data.files.cleaning import Cleaning
from recbole_cl.data.files.columns import Columns
from recbole_cl.data.files.sources import Log, Reading, read_log
from recbole_cl.errors import UsageError

ROWS = [["u1", "007", 5], ["u2", "a b", 6]]
CSV = "user_id,item_id,timestamp\nu1,007,5\nu2,a b,6\n"


def log(folder: Path, content: bytes | str, reading: Reading | None = None, name: str = "log") -> Log:
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_log([folder / name], reading or Reading())


@pytest.mark.parametrize(
    ("content", "guess"),
    [
        (CSV, "csv (guessed), separated by ',' (guessed), a header (guessed)"),
        (CSV.replace(",", "\t"), "csv (guessed), separated by '\\t' (guessed), a header (guessed)"),
        (CSV.replace(",", "::").partition("\n")[2], "csv (guessed), separated by '::' (guessed), no header (guessed)"),
        ('Email;SKU;Date\n"u1";007;5\n"u2";"a b";6\n', "csv (guessed), separated by ';' (guessed), a header (guessed)"),
        (
            "item_id:token\tuser_id:token\ttimestamp:float\n007\tu1\t5\na b\tu2\t6\n",
            "atomic (guessed), separated by '\\t' (guessed)",
        ),
        (
            '{"reviewerID": "u1", "asin": "007", "unixReviewTime": 5}\n'
            '{"reviewerID": "u2", "asin": "a b", "unixReviewTime": 6}\n',
            "jsonl (guessed)",
        ),
    ],
)
def test_formats_are_guessed_and_said(tmp_path: Path, content: str, guess: str) -> None:
    found = log(tmp_path, content)
    assert found.interactions.to_numpy().tolist() == ROWS and found.has_times
    assert found.notes[0] == f"{tmp_path / 'log'}: {guess}"


def test_lines_of_whole_numbers_are_sequences_which_have_no_times(tmp_path: Path) -> None:
    found = log(tmp_path, "1 5 6\n2 7\n")
    assert found.interactions.to_numpy().tolist() == [["1", "5", 1], ["1", "6", 2], ["2", "7", 1]]
    assert not found.has_times and "sequences (guessed)" in found.notes[0]


def zipped(*members: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for member in members:
            archive.writestr(member, CSV)
    return file.getvalue()


def zstandard(content: bytes) -> bytes:
    compressed: bytes = pytest.importorskip("zstandard").compress(content)
    return compressed


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress, zstandard, lambda _: zipped("a.csv")])
def test_compressed_files_are_read_and_refused_as_plain_ones(
    tmp_path: Path, compress: Callable[[bytes], bytes]
) -> None:
    assert log(tmp_path, compress(CSV.encode())).interactions.to_numpy().tolist() == ROWS
    if compress(b"") != compress(b"x"):
        with pytest.raises(UsageError, match="log, line 3: no value in 'item_id'.*1 lines in all.*--drop-missing"):
            log(tmp_path, compress(CSV.replace("a b", "").encode()))
        with pytest.raises(UsageError, match="log cannot be read: .*damaged"):
            log(tmp_path, compress(CSV.encode())[:-12])


def test_archives_of_several_files_are_refused_by_their_names(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"log holds 2 files \(a.csv, b.csv\): unpack it"):
        log(tmp_path, zipped("a.csv", "b.csv"))


def test_one_log_in_several_files_is_read_in_their_order(tmp_path: Path) -> None:
    for name, rows in (("b", "u1,x,1\nu1,y,1\n"), ("a", "u2,x,3\n,x,3\nu1,y,1\n")):
        (tmp_path / name).write_text("user_id,item_id,timestamp\n" + rows)
    reading = Reading(cleaning=Cleaning(drop_missing=True, drop_duplicates=True))
    found = read_log([tmp_path / "b", tmp_path / "a"], reading)
    assert found.interactions.to_numpy().tolist() == [["u1", "x", 1], ["u1", "y", 1], ["u2", "x", 3]]
    assert found.notes[-2:] == [
        "  left out: 1 of 3 lines with missing values (1 without user_id)",
        "left out: 1 exact duplicates of earlier rows",
    ]
    (tmp_path / "s").write_text("1 2 3\n")
    with pytest.raises(UsageError, match="sequence text, which has no times"):
        read_log([tmp_path / "b", tmp_path / "s"], Reading())


def files(folder: Path, *rows: str) -> list[Path]:
    """Several files of one log."""
    paths = [folder / str(number) for number in range(len(rows))]
    for path, its in zip(paths, rows, strict=True):
        path.write_text("user_id,item_id,timestamp\n" + its)
    return paths


def test_times_of_all_files_have_one_unit(tmp_path: Path) -> None:
    second = "a,x,2024-05-01T10:00:00"
    found = read_log(files(tmp_path, f"{second}.123456Z\n", f"{second}.1234567Z\n"), Reading())
    assert found.interactions["timestamp"].tolist() == [1714557600123456000, 1714557600123456700]
    with pytest.raises(UsageError, match="some of the files have dates as times and some have no seconds"):
        read_log(files(tmp_path, f"{second}Z\n", "a,x,1714557600000\n"), Reading())
    found = read_log(files(tmp_path, f"{second}Z\n", "a,x,1714557601\n"), Reading())
    assert found.interactions["timestamp"].tolist() == [1714557600, 1714557601]


def test_one_id_is_text_in_one_file_and_a_number_in_another(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    pd.DataFrame({"user_id": [1], "item_id": [2], "timestamp": [3]}).to_parquet(tmp_path / "p")
    reading = Reading(cleaning=Cleaning(drop_duplicates=True))
    found = read_log([tmp_path / "p", *files(tmp_path, "1,2,3\n1,b,4\n")], reading)
    assert found.interactions.to_numpy().tolist() == [["1", "2", 3], ["1", "b", 4]]


def test_dates_that_no_unit_holds_together_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    last = np.array(["9999-12-31"], "datetime64[us]")
    pd.DataFrame({"user_id": [1], "item_id": [2], "timestamp": last}).to_parquet(tmp_path / "p")
    assert read_log([tmp_path / "p"], Reading()).interactions["timestamp"].tolist() == [253402214400]
    with pytest.raises(UsageError, match="nanoseconds in one file and dates outside 1677 to 2262 in another"):
        read_log([tmp_path / "p", *files(tmp_path, "a,b,2024-05-01T10:00:00.1234567Z\n")], Reading())


@pytest.mark.parametrize("line", ["1 5 100", "1 5 3 100"])
def test_lines_of_as_many_numbers_as_a_table_has_are_not_guessed(tmp_path: Path, line: str) -> None:
    content = f"{line}\n{line.replace('5', '6')}\n"
    with pytest.raises(UsageError, match="numbers in each of its first lines: give --separator ' ' .*sequences"):
        log(tmp_path, content)
    rows = log(tmp_path, content, Reading(separator=" ")).interactions
    assert rows[["user_id", "item_id", "timestamp"]].to_numpy().tolist() == [["1", "5", 100], ["1", "6", 100]]
    assert not log(tmp_path, content, Reading("sequences")).has_times


@pytest.mark.parametrize("content", ['[{"user_id": 1}]', "[" + "1, " * 50_000 + "1]", '[\n  {"user_id": 1}\n]\n'])
@pytest.mark.parametrize("kind", [None, "jsonl"])
def test_a_json_array_is_refused_as_what_it_is(tmp_path: Path, content: str, kind: str | None) -> None:
    with pytest.raises(UsageError, match="is a JSON array: write one object per line"):
        log(tmp_path, content, Reading(kind))


def test_long_lines_and_fields_are_read(tmp_path: Path) -> None:
    items = [str(10_000 + item) for item in range(30_000)]
    assert log(tmp_path, f"1 {' '.join(items)}\n").interactions["item_id"].tolist() == items
    for quotes in ("line", "multiline"):
        found = log(tmp_path, f'{CSV}"{"a" * 140_000}",x,7\n', Reading(quotes=quotes))
        assert found.interactions["user_id"].str.len().tolist() == [2, 2, 140_000]


def test_other_encodings_are_read_by_their_names(tmp_path: Path) -> None:
    content = CSV.replace("u1", "zoë").encode("latin-1")
    with pytest.raises(UsageError, match="not utf-8 text.*--encoding"):
        log(tmp_path, content)
    assert log(tmp_path, content, Reading(encoding="latin-1")).interactions["user_id"].tolist() == ["zoë", "u2"]
    with pytest.raises(UsageError, match="not klingon text"):
        log(tmp_path, content, Reading(encoding="klingon"))


def test_columns_that_are_named_outrank_the_guess(tmp_path: Path) -> None:
    content = "user,customer,sku,time\na,b,c,1\n"
    assert log(tmp_path, content).interactions["user_id"].tolist() == ["a"]
    reading = Reading(columns=Columns(user="customer"))
    assert log(tmp_path, content, reading).interactions["user_id"].tolist() == ["b"]
