"""What a source is, guessed from its content, and several files of one log."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path

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
