"""What a source's rows must hold, and what is left out of them, counted."""

from __future__ import annotations

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


def test_exact_duplicates_are_counted_and_left_out_only_if_asked() -> None:
    frame = pd.DataFrame({"user_id": list("aaba"), "item_id": list("xxxx"), "timestamp": [1, 1, 1, 2]})
    kept, notes = without_duplicates(frame, Cleaning())
    assert len(kept) == 4 and notes == ["kept: 1 exact duplicates of earlier rows"]
    kept, notes = without_duplicates(frame, Cleaning(drop_duplicates=True))
    assert kept["timestamp"].tolist() == [1, 1, 2] and notes == ["left out: 1 exact duplicates of earlier rows"]
