"""Broken data sets are refused in one line that names the place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from recbole_cl.data.files.atomic import AtomicFormat, read_atomic_file
from recbole_cl.errors import UsageError

HEADER = "user_id:token\titem_id:token\ttimestamp:float\n"


NEEDED = {"user_id": "token", "item_id": "token", "timestamp": "float"}


def check(path: Path, **options: Any) -> tuple[dict[str, str], pd.DataFrame]:
    return read_atomic_file(path, NEEDED, time_field="timestamp", **options)


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
        (HEADER, "no lines below it"),
        ("user_id\titem_id\ttimestamp\n1\t2\t3\n", "'user_id' has no known type"),
        ("user_id:token,item_id:token,timestamp:float\n1,2,3\n", "separate columns by"),
        ("user_id:token\titem_id:int\ttimestamp:float\n1\t2\t3\n", "'item_id:int' has no known type"),
        ("uid:token\titem_id:token\ttimestamp:float\n1\t2\t3\n", "no column 'user_id'; it has uid, item_id, timestamp"),
        ("user_id:token\titem_id:token\n1\t2\n", "no column 'timestamp'"),
        ("user_id:token\titem_id:token\ttimestamp:token\n1\t2\t3\n", "must be timestamp:float"),
        ("user_id:float\titem_id:token\ttimestamp:float\n1\t2\t3\n", "must be user_id:token"),
        (HEADER + "1\t2\t3\n\n1\t\t3\n", "line 4: no value in 'item_id'"),
        (HEADER + "1\t2\t3\nNA\t2\t3\n", "line 3: no value in 'user_id'"),
        (HEADER + "1\t2\t3\n1\t2\n", "line 3: malformed line: 2 values where there are 3 columns"),
        (HEADER + "1\t2\t3\n1\t2\tmonday\n", "line 3: 'monday' in 'timestamp' is not a number"),
        (HEADER + "1\t2\t3\n1\t2\tinf\n", "line 3: inf in 'timestamp' is not a number"),
        (HEADER + "1\t2\t3\n2\t-1\t3\n", "line 3: negative id -1 in 'item_id'"),
        (HEADER + "-7\t2\t3\n", "line 2: negative id -7 in 'user_id'"),
        (HEADER + "1\t2\t3\t4\n", "line 2: malformed line: 4 values where there are 3"),
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
    types, frame = check(atomic_file(tmp_path, SEQUENCES))
    assert list(types) == list(frame) == [column.partition(":")[0] for column in SEQUENCES.split("\n")[0].split("\t")]
    assert types["tags"] == "token_seq" and types["rating"] == "float"
    assert frame["user_id"].tolist() == ["zoë", "-1"] and frame["item_id"].tolist() == ["007", "1.0"]
    assert frame["timestamp"].tolist() == [0.12345678901234568, 1e9]  # the nearest float64, as Python reads it
    assert [list(tags) for tags in frame["tags"]] == [["b", "a", "b"], []]
    assert [list(steps) for steps in frame["steps"]] == [[1.0, 2.5], []]
    assert frame[["rating", "place"]].isna().to_numpy().tolist() == [[True, True], [False, False]]


def test_times_that_need_not_exist_are_whole_where_they_do(tmp_path: Path) -> None:
    needed = {"user_id": "token", "item_id": "token"}
    path = atomic_file(tmp_path, HEADER + "1\t2\t3\n1\t3\t\n")
    with pytest.raises(UsageError, match="line 3: no value in 'timestamp'"):
        read_atomic_file(path, needed, time_field="timestamp")
    assert len(read_atomic_file(path, needed, time_field="timestamp", load=[*needed])[1]) == 2
    path.write_text("user_id:token\titem_id:token\n1\t2\n")
    assert len(read_atomic_file(path, needed, time_field="timestamp")[1]) == 1


def test_advice_can_be_followed(tmp_path: Path) -> None:
    path = atomic_file(tmp_path, HEADER + "1\t\t3\n")
    with pytest.raises(UsageError, match="with `recbole-cl convert --drop-missing`, remove the lines"):
        check(path)
    path.write_text(HEADER + "1\t2\t2024-01-01\n")
    with pytest.raises(UsageError, match="'2024-01-01' .*`recbole-cl convert` reads ISO 8601 dates"):
        check(path)
    items = path.with_suffix(".item")
    items.write_text('item_id:token\n""\n')
    with pytest.raises(UsageError, match="reads as missing; 1 lines in all.: remove the lines"):
        read_atomic_file(items, {"item_id": "token"})


def test_columns_that_are_not_loaded_are_checked_all_the_same(tmp_path: Path) -> None:
    path = atomic_file(tmp_path, SEQUENCES)
    choices: tuple[dict[str, Any], ...] = (
        {"load": ["place", "user_id", "absent"]},
        {"unload": ["tags", "item_id", "steps", "rating", "timestamp"]},
    )
    for choice in choices:
        types, frame = check(path, **choice)
        assert list(frame) == list(types) == ["user_id", "place"]
    path.write_text(HEADER + "1\t2\tmonday\n")
    with pytest.raises(UsageError, match="'monday' in 'timestamp'"):
        check(path, load=["user_id"])


def test_a_line_of_nothing_but_separators_is_refused_by_its_number(tmp_path: Path) -> None:
    for number, text in ((2, "\t\t\n1\t2\t3\n"), (4, "1\t2\t3\n\n\t\t\n")):
        (tmp_path / str(number)).mkdir()
        with pytest.raises(UsageError, match=f"line {number}: no value in 'user_id'"):
            check(atomic_file(tmp_path / str(number), HEADER + text))


QUOTED = [
    # a quotation mark that opens a field and closes a later one, on other lines: they are all there, as written
    ('1\t"2\t3\n1\tx\t3\n1\t5"\t3\n', ['"2', "x", '5"']),
    ('1\t12" single\t3\n1\t"all ""b"""\t4\n1\t""\t5\n1\t"Weird" Bob\t5\n', None),
    ('1\t12" single\t3\n1\t"all ""b"""\t4\n1\t"Weird" Bob\t5\n', ['12" single', 'all "b"', '"Weird" Bob']),
    ('"1"\t"c\td"\t"3"', ["c\td"]),
]


@pytest.mark.parametrize(("rows", "items"), QUOTED)
def test_every_line_is_one_row_whatever_its_quotation_marks(tmp_path: Path, rows: str, items: list[str] | None) -> None:
    path = atomic_file(tmp_path, HEADER + rows)
    if items is None:
        with pytest.raises(UsageError, match="line 4: no value in 'item_id'"):
            check(path)
    else:
        assert check(path)[1]["item_id"].tolist() == items


def test_a_quotation_mark_that_takes_the_separator_with_it_is_refused_by_its_line(tmp_path: Path) -> None:
    path = atomic_file(tmp_path, HEADER.replace("\n", "\trating:float\n") + '1\t2\t3\t4\n1\t"2\t3"\t4\n')
    with pytest.raises(UsageError, match="line 3: malformed line: 3 values where there are 4 columns"):
        check(path)


@pytest.mark.parametrize(
    ("times", "kind"),
    [
        ([1600000000147, 1600000000148], "int64"),
        ([2**53 + 1, 2**53], "int64"),  # which are one in float64
        ([1400000000.25, 1400000000.125], "float64"),
    ],
)
def test_times_are_exact(tmp_path: Path, times: list[float], kind: str) -> None:
    frame = check(atomic_file(tmp_path, HEADER + "".join(f"1\t2\t{time}\n" for time in times)))[1]
    assert frame["timestamp"].tolist() == times and frame["timestamp"].dtype == kind


def test_marks_and_line_ends_of_other_systems_are_read(tmp_path: Path) -> None:
    path = atomic_file(tmp_path, "")
    for end in ("\r\n", "\r"):
        path.write_bytes(b"\xef\xbb\xbf" + (HEADER + "1\t2\t3\n").replace("\n", end).encode())
        assert check(path)[1].to_numpy().tolist() == [["1", "2", 3]]
    for wrong, what in (("1\t2\r2\t3\n", "a carriage return"), ("1\t2\0\t3\n", "a zero byte")):
        path.write_text(HEADER + "1\t2\t3\n" + wrong, newline="")
        with pytest.raises(UsageError, match=f"line 3: {what}"):
            check(path)


def test_text_in_another_encoding_is_refused(tmp_path: Path) -> None:
    path = atomic_file(tmp_path, "")
    path.write_bytes(HEADER.encode() + "zoë\t2\t3\n".encode("latin-1"))
    with pytest.raises(UsageError, match="not utf-8 text"):
        check(path)
    assert check(path, written=AtomicFormat(encoding="latin-1"))[1]["user_id"].tolist() == ["zoë"]


def test_text_without_the_mark_that_its_encoding_wants_is_refused(tmp_path: Path) -> None:
    path = atomic_file(tmp_path, "a\t2\t3\n")
    with pytest.raises(UsageError, match="not utf-16 text"):
        check(path, written=AtomicFormat(encoding="utf-16"))
