"""Broken data sets are refused in one line that names the place."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from recbole_cl.data.files.atomic import read_atomic_file
from recbole_cl.errors import UsageError

HEADER = "user_id:token\titem_id:token\ttimestamp:float\n"


def check(path: Path) -> None:
    read_atomic_file(path, "user_id", "item_id", "timestamp")


def atomic_file(folder: Path, text: str) -> Path:
    path = folder / "shop" / "shop.inter"
    path.parent.mkdir()
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "text",
    [
        HEADER + "1\t2\t3\n",
        HEADER + "anna\t00x\t1400000000.5\n-1\tb\t2e9\n",  # '-1' among names is a name
        "user_id:token\titem_id:token\trating:float\ttimestamp:float\n1\t2\t\t3\n",  # only used columns must be whole
        'user_id:token\titem_id:token\ttimestamp:float\n"a ""b"""\t"c\td"\t3\n',
        "timestamp:float\ttags:token_seq\titem_id:token\tuser_id:token\n7\ta b\t1\t2\n\n7\ta b\t1\t2\n",
    ],
)
def test_sound_files_pass(tmp_path: Path, text: str) -> None:
    check(atomic_file(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        (HEADER, "no interactions"),
        ("user_id\titem_id\ttimestamp\n1\t2\t3\n", "'user_id' has no known type"),
        ("user_id:token,item_id:token,timestamp:float\n1,2,3\n", "separate columns by"),
        ("user_id:token\titem_id:int\ttimestamp:float\n1\t2\t3\n", "'item_id:int' has no known type"),
        ("uid:token\titem_id:token\ttimestamp:float\n1\t2\t3\n", "no column 'user_id'; it has uid, item_id, timestamp"),
        ("user_id:token\titem_id:token\n1\t2\n", "no column 'timestamp'"),
        ("user_id:token\titem_id:token\ttimestamp:token\n1\t2\t3\n", "must be timestamp:float"),
        ("user_id:float\titem_id:token\ttimestamp:float\n1\t2\t3\n", "must be user_id:token"),
        (HEADER + "1\t2\t3\n\n1\t\t3\n", "line 4: no value in 'item_id'"),
        (HEADER + "1\t2\t3\nNA\t2\t3\n", "line 3: no value in 'user_id'"),
        (HEADER + "1\t2\t3\n1\t2\n", "line 3: no value in 'timestamp'"),
        (HEADER + "1\t2\t3\n1\t2\tmonday\n", "line 3: 'monday' in 'timestamp' is not a number"),
        (HEADER + "1\t2\t3\n1\t2\tinf\n", "line 3: inf in 'timestamp' is not a number"),
        (HEADER + "1\t2\t3\n2\t-1\t3\n", "line 3: negative id -1 in 'item_id'"),
        (HEADER + "-7\t2\t3\n", "line 2: negative id -7 in 'user_id'"),
        (HEADER + "1\t2\t3\t4\n", "line 2: 4 values where the header names 3"),
        (HEADER + '1\t2\t3\n1\t"2\t3\n', "malformed line: EOF inside string"),
        ("user_id:token\titem_id:token\titem_id:float\ttimestamp:float\n1\t2\t3\t4\n", "'item_id' twice"),
        (HEADER.replace("ti", "r:float\tti") + "1\t2\t\t3\n1\t2\tgood\t3\n", "line 3: 'good' in 'r' is not a number"),
    ],
)
def test_broken_files_are_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = atomic_file(tmp_path, text)
    with pytest.raises(UsageError) as error:
        check(path)
    assert message in str(error.value)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


SEQUENCES = (
    "tags:token_seq\titem_id:token\tsteps:float_seq\tuser_id:token\trating:float\ttimestamp:float\tplace:token\n"
    "b a  b\t007\t1 2.5\tzoë\t\t0.1234567890123456789\t\n\t1.0\t\t-1\t4\t1e9\tx\n"
)


def test_columns_come_typed_and_missing_ones_as_recbole_has_them(tmp_path: Path) -> None:
    types, frame = read_atomic_file(atomic_file(tmp_path, SEQUENCES), "user_id", "item_id", "timestamp")
    assert list(types) == list(frame) == [column.partition(":")[0] for column in SEQUENCES.split("\n")[0].split("\t")]
    assert types["tags"] == "token_seq" and types["rating"] == "float"
    assert frame["user_id"].tolist() == ["zoë", "-1"] and frame["item_id"].tolist() == ["007", "1.0"]
    assert frame["timestamp"].tolist() == [0.12345678901234568, 1e9]  # the nearest float64, as Python reads it
    assert [list(tags) for tags in frame["tags"]] == [["b", "a", "b"], []]
    assert [list(steps) for steps in frame["steps"]] == [[1.0, 2.5], []]
    assert frame[["rating", "place"]].isna().to_numpy().tolist() == [[True, True], [False, False]]


def test_columns_that_are_not_loaded_are_checked_all_the_same(tmp_path: Path) -> None:
    path = atomic_file(tmp_path, SEQUENCES)
    choices: tuple[dict[str, Any], ...] = (
        {"load": ["place", "user_id", "absent"]},
        {"unload": ["tags", "item_id", "steps", "rating", "timestamp"]},
    )
    for choice in choices:
        types, frame = read_atomic_file(path, "user_id", "item_id", "timestamp", **choice)
        assert list(frame) == list(types) == ["user_id", "place"]
    path.write_text(HEADER + "1\t2\tmonday\n")
    with pytest.raises(UsageError, match="'monday' in 'timestamp'"):
        read_atomic_file(path, "user_id", "item_id", "timestamp", load=["user_id"])


def test_a_line_of_nothing_but_separators_is_refused_by_its_number(tmp_path: Path) -> None:
    for number, text in ((2, "\t\t\n1\t2\t3\n"), (4, "1\t2\t3\n\n\t\t\n")):
        (tmp_path / str(number)).mkdir()
        with pytest.raises(UsageError, match=f"line {number}: no value in 'user_id'"):
            check(atomic_file(tmp_path / str(number), HEADER + text))


def test_an_order_that_float32_loses_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Near 1.4e9 seconds float32 has steps of 128: ten seconds apart, the file's order is all that is left."""
    times = [1_400_000_000 + 10 * place for place in range(6)]
    lines = [f"{user}\t{place}\t{time}\n" for user in "ab" for place, time in enumerate(times)]
    backwards = atomic_file(tmp_path, HEADER + "".join(lines[:6] + lines[:5:-1]))
    with caplog.at_level(logging.WARNING):
        read_atomic_file(backwards, "user_id", "item_id", "timestamp", scaled_times=True)
        assert not caplog.text
        check(backwards)
    assert "the interactions of 1 users in another order than their times; recbole-cl convert writes" in caplog.text
    caplog.clear()
    backwards.write_text(HEADER + "".join(lines))
    check(backwards)
    assert not caplog.text
    backwards.write_text(HEADER + "".join(lines[::-1]) + "c\t1\t1000000000\n")  # scaled to ten years, too coarse again
    read_atomic_file(backwards, "user_id", "item_id", "timestamp", scaled_times=True)
    assert "of 2 users" in caplog.text


def test_text_in_another_encoding_is_refused(tmp_path: Path) -> None:
    path = atomic_file(tmp_path, "")
    path.write_bytes(HEADER.encode() + "zoë\t2\t3\n".encode("latin-1"))
    with pytest.raises(UsageError, match="not utf-8 text"):
        check(path)
    read_atomic_file(path, "user_id", "item_id", "timestamp", encoding="latin-1")


def test_text_without_the_mark_that_its_encoding_wants_is_refused(tmp_path: Path) -> None:
    path = atomic_file(tmp_path, "a\t2\t3\n")
    with pytest.raises(UsageError, match="not utf-16 text"):
        read_atomic_file(path, "user_id", "item_id", "timestamp", encoding="utf-16")
