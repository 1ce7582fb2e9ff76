"""What a source's rows must hold, and what is left out of them, counted."""

from __future__ import annotations

from uuid import UUID

import pandas as pd
import pytest

from recbole_cl.data.files.cleaning import Cleaning, interactions, without_duplicates
from recbole_cl.data.files.columns import Columns
from recbole_cl.data.files.origin import Origin
from recbole_cl.errors import UsageError

ORIGIN = Origin("the list", "point", lambda row: f"point {row}", "{}_name", "no_rating")


@pytest.mark.parametrize("identifier", [["2"], {"a": 1}, True])
def test_an_id_that_is_no_text_or_number_is_refused_by_its_place(identifier: object) -> None:
    table = pd.DataFrame({"user_id": ["a", identifier], "item_id": 2, "timestamp": 3}, dtype=object)
    with pytest.raises(UsageError, match="point 1: malformed point, user_id .* must be text or a number"):
        interactions(table, Columns(), ORIGIN)


@pytest.mark.parametrize("identifier", ["a\nb", "a\rb", "a\0b", "\ud800"])
def test_an_id_that_no_line_can_hold_is_refused_by_its_place(identifier: str) -> None:
    table = pd.DataFrame({"user_id": ["a", identifier], "item_id": 2, "timestamp": 3}, dtype=object)
    with pytest.raises(UsageError, match="point 1: user_id .* holds a line break, a zero byte or half a character"):
        interactions(table, Columns(), ORIGIN)


def test_rows_with_missing_values_are_counted_over_all_columns_at_once() -> None:
    table = pd.DataFrame(
        {"user_id": ["a", None, "b", "c"], "item_id": ["x", "", "y", "z"], "timestamp": [1, 2, None, 4]}
    )
    with pytest.raises(UsageError, match="point 1: no value in 'user_id'"):
        interactions(table, Columns(), ORIGIN)
    frame, notes = interactions(table, Columns(), ORIGIN, Cleaning(drop_missing=True))
    assert frame.to_numpy().tolist() == [["a", "x", 1.0], ["c", "z", 4.0]]
    counts = "1 without user_id, 1 without item_id, 1 without timestamp"
    assert notes[1] == f"left out: 2 of 4 points with missing values ({counts})"
    table["timestamp"] = ["1", "2", "3", "x"]
    with pytest.raises(UsageError, match="point 3: 'x' in 'timestamp'"):  # where it stands in the source
        interactions(table, Columns(), ORIGIN, Cleaning(drop_missing=True))


def test_whole_numbers_stay_whole_beside_a_missing_one() -> None:
    table = pd.DataFrame({"user_id": [1, 2, None, 1], "item_id": [5, 6, 7, None], "timestamp": [1, 2, 3, 4]})
    frame, _ = interactions(table, Columns(), ORIGIN, Cleaning(drop_missing=True))
    assert frame[["user_id", "item_id"]].astype(str).to_numpy().tolist() == [["1", "5"], ["2", "6"]]


@pytest.mark.parametrize("kind", ["float64", "Float64", "double[pyarrow]"])
def test_ids_that_a_float_rounds_are_refused(kind: str) -> None:
    if "pyarrow" in kind:
        pytest.importorskip("pyarrow")
    users = pd.Series([1, None, 2.0**60], dtype=kind)
    table = pd.DataFrame({"user_id": users, "item_id": 2, "timestamp": 3})
    with pytest.raises(UsageError, match=r"point 2: user_id 1.15.*e\+18 is a float.*Int64 or text"):
        interactions(table, Columns(), ORIGIN)
    frame, _ = interactions(table.head(2), Columns(), ORIGIN, Cleaning(drop_missing=True))
    assert frame["user_id"].astype(str).tolist() == ["1"]


@pytest.mark.parametrize("ids", [[1, "guest"], [UUID(int=1), UUID(int=2)], ["x", "y"]])
def test_categories_of_any_kind_are_read_as_text(ids: list[object]) -> None:
    table = pd.DataFrame({"user_id": pd.Categorical(ids), "item_id": 2, "timestamp": 3})
    assert interactions(table, Columns(), ORIGIN)[0]["user_id"].tolist() == [str(name) for name in ids]


@pytest.mark.parametrize("kind", ["Int64", "int64[pyarrow]"])
def test_numbers_of_nullable_types_are_exact(kind: str) -> None:
    if "pyarrow" in kind:
        pytest.importorskip("pyarrow")
    values = pd.Series([2**60 + 1, None, 2**60 + 2], dtype=kind)
    table = pd.DataFrame({"user_id": values, "item_id": "a", "timestamp": values})
    frame, _ = interactions(table, Columns(), ORIGIN, Cleaning(drop_missing=True))
    assert frame["timestamp"].tolist() == [2**60 + 1, 2**60 + 2]
    assert frame["user_id"].astype(str).tolist() == [str(2**60 + 1), str(2**60 + 2)]


@pytest.mark.parametrize(
    ("times", "message"),
    [
        (
            ["2024-05-01 10:00:00", "0001-01-01 00:00:00"],
            "point 1: '0001-01-01 00:00:00' in .* no ISO 8601 date between 1677",
        ),
        (["soon", "2024-05-01"], "point 0: 'soon' in 'timestamp' is no ISO 8601 date"),
        (["5", "2024-05-01"], "point 1: '2024-05-01' in 'timestamp' is not a number"),
        ([5, 2**70], r"point 1: '1180591620717411303424' in 'timestamp' is 2\*\*64 or more"),
        (["5", True], "point 1: 'True' in 'timestamp' is not a number"),
    ],
)
def test_a_bad_time_is_refused_by_its_own_place(times: list[object], message: str) -> None:
    table = pd.DataFrame({"user_id": "a", "item_id": 2, "timestamp": pd.Series(times, dtype=object)})
    with pytest.raises(UsageError, match=message):
        interactions(table, Columns(), ORIGIN)


def test_times_below_2_to_the_64_are_exact() -> None:
    times = [2**64 - 1, 2**64 - 2]
    table = pd.DataFrame({"user_id": "a", "item_id": 2, "timestamp": pd.Series(times, dtype="uint64")})
    assert interactions(table, Columns(), ORIGIN)[0]["timestamp"].tolist() == times


def test_a_missing_rating_tells_how_to_leave_ratings_out() -> None:
    table = pd.DataFrame({"user_id": "a", "item_id": 2, "rating": [4, None], "timestamp": 3})
    with pytest.raises(UsageError, match="point 1: no value in 'rating'.*leave ratings out with no_rating"):
        interactions(table, Columns(), ORIGIN)


def test_exact_duplicates_are_counted_and_left_out_only_if_asked() -> None:
    frame = pd.DataFrame({"user_id": list("aaba"), "item_id": list("xxxx"), "timestamp": [1, 1, 1, 2]})
    kept, notes = without_duplicates(frame, Cleaning())
    assert len(kept) == 4 and notes == ["kept: 1 exact duplicates of earlier rows"]
    kept, notes = without_duplicates(frame, Cleaning(drop_duplicates=True))
    assert kept["timestamp"].tolist() == [1, 1, 2] and notes == ["left out: 1 exact duplicates of earlier rows"]
