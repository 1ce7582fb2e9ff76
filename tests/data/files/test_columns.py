"""A source's columns under our names."""

from __future__ import annotations

import pandas as pd
import pytest

from recbole_cl.data.files.cleaning import interactions
from recbole_cl.data.files.columns import Columns
from recbole_cl.data.files.origin import Origin
from recbole_cl.errors import UsageError

PRESENT = ["rating", "timestamp", "item_id", "stars", "user_id"]
ORIGIN = Origin("the list", "point", lambda row: f"point {row}", "{}_name", "no_rating")


@pytest.mark.parametrize(
    ("columns", "rating"),
    [
        (Columns(), {"rating": "rating"}),
        (Columns(rating=""), {}),
        (Columns(rating="stars"), {"stars": "rating"}),
    ],
)
def test_a_rating_is_the_one_named_or_the_one_there_or_none(columns: Columns, rating: dict[str, str]) -> None:
    ids = {"user_id": "user_id", "item_id": "item_id"}
    assert columns.names(PRESENT, ORIGIN) == ids | rating | {"timestamp": "timestamp"}


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (Columns(user="users_id"), ["'users_id'", "did you mean 'user_id'", "user_name"]),
        (Columns(item="zz"), ["'zz'", "it has rating, timestamp", "item_name"]),
        (Columns(time="time"), ["'time'", "time_name"]),
        (Columns(rating="starz"), ["'starz'", "did you mean 'stars'", "rating_name"]),
        (Columns(user="stars", item="stars"), ["named twice", "stars, stars"]),
    ],
)
def test_a_column_that_is_not_there_or_named_twice_is_refused(columns: Columns, words: list[str]) -> None:
    with pytest.raises(UsageError, match="the list") as error:
        columns.names(PRESENT, ORIGIN)
    assert [word for word in words if word not in str(error.value)] == []


def test_interactions_come_in_the_sources_order_under_our_names_numbered_anew() -> None:
    table = pd.DataFrame({"when": ["2", 1.5], "who": [3, 4], "what": ["a", "b"]}, index=[7, 7])
    frame, notes = interactions(table, Columns("who", "what", "when"), ORIGIN)
    assert notes == ["columns: user_id = who, item_id = what, timestamp = when"]
    assert frame.to_dict("list") == {"user_id": [3, 4], "item_id": ["a", "b"], "timestamp": [2.0, 1.5]}
    assert list(frame.index) == [0, 1]


def test_words_that_would_be_read_back_as_missing_are_missing() -> None:
    table = pd.DataFrame({"user_id": ["a", "null"], "item_id": ["", "b"], "timestamp": [1, 2]})
    with pytest.raises(UsageError, match="point 1: no value in 'user_id'.*1 points in all"):
        interactions(table, Columns(), ORIGIN)
