"""Readers give interactions in the order of the file, under our names, and refuse with the file's own line."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from recbole_cl.data.files.columns import Columns
from recbole_cl.data.files.readers import read_csv, read_jsonl, read_sequences
from recbole_cl.errors import UsageError

NAMES = ["user_id", "item_id", "rating", "timestamp"]


def source(folder: Path, text: str) -> Path:
    path = folder / "source"
    path.write_text(text, encoding="utf-8")
    return path


def test_csv_ids_are_text_as_written_and_numbers_float64(tmp_path: Path) -> None:
    path = source(tmp_path, "\ufeffwhen|what|who|stars|more\n20|007|zoë|5|a\n\n3.5|1.0|-1|4|b\n")
    frame = read_csv(path, Columns("who", "what", "when", "stars"), "|")
    assert list(frame) == NAMES and frame["timestamp"].dtype == frame["rating"].dtype == float
    assert frame.to_numpy().tolist() == [["zoë", "007", 5.0, 20.0], ["-1", "1.0", 4.0, 3.5]]


def test_json_ids_become_text_and_other_keys_stay_behind(tmp_path: Path) -> None:
    first = '{"user_id": 1, "item_id": 7.0, "rating": 2, "timestamp": "3", "more": [1]}'
    frame = read_jsonl(
        source(tmp_path, f'{first}\n{{"timestamp": 1, "item_id": "x", "user_id": "b", "rating": 1}}'), Columns()
    )
    assert list(frame) == NAMES
    assert frame.to_numpy().tolist() == [["1", "7.0", 2.0, 3.0], ["b", "x", 1.0, 1.0]]


def test_sequences_count_positions_on_over_a_users_lines(tmp_path: Path) -> None:
    path = tmp_path / "sequences.gz"
    path.write_bytes(gzip.compress(b"9 5 6\n\n3 6\n9 8\n"))
    assert read_sequences(path).to_numpy().tolist() == [[9, 5, 1], [9, 6, 2], [3, 6, 1], [9, 8, 3]]


def test_an_unknown_column_is_refused_with_the_nearest_and_the_option(tmp_path: Path) -> None:
    path = source(tmp_path, "user_id,item_id,time_stamp\n1,2,3\n")
    with pytest.raises(UsageError, match="no column 'timestamp'.*did you mean 'time_stamp'.*--time-column"):
        read_csv(path, Columns())


@pytest.mark.parametrize("identifier", ["[2]", '{"a": 1}', "true"])
def test_a_json_id_that_is_no_text_or_number_is_refused_by_its_line(tmp_path: Path, identifier: str) -> None:
    path = source(tmp_path, f'\n{{"user_id": {identifier}, "item_id": 2, "timestamp": 3}}\n')
    with pytest.raises(UsageError, match="line 2: malformed line, user_id .* must be text or a number"):
        read_jsonl(path, Columns())
