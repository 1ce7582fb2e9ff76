"""Times as numbers: exact, whatever they are written as."""

from __future__ import annotations

import pandas as pd
import pytest

from recbole_cl.data.files.times import numbers_of, span
from recbole_cl.errors import UsageError


@pytest.mark.parametrize(
    ("written", "zone", "seconds"),
    [
        (["2024-05-01T12:00:00Z", "2024-05-01 14:00:01+02:00"], "UTC", [1714564800, 1714564801]),
        (["2024-05-01", "2024-05-01 12:00"], "UTC", [1714521600, 1714564800]),
        (["2024-05-01 14:00", "2024-05-01T12:00:00Z"], "Europe/Paris", [1714564800, 1714564800]),
        (["2024-05-01T12:00:00.25Z", "2024-05-01T12:00:00Z"], "UTC", [1714564800.25, 1714564800.0]),
        (
            ["2024-05-01T12:00:00.000000001Z", "2024-05-01T12:00:00Z"],
            "UTC",
            [1714564800 * 10**9 + 1, 1714564800 * 10**9],
        ),
        (["1600000000147", "1600000000148"], "UTC", ["1600000000147", "1600000000148"]),
        (["2024-05-01", "soon"], "UTC", ["2024-05-01", "soon"]),
    ],
)
def test_dates_are_seconds_since_1970_and_other_values_as_they_are(
    written: list[str], zone: str, seconds: list[float | str]
) -> None:
    assert numbers_of(pd.Series(written), zone).tolist() == seconds


def test_an_unknown_zone_is_refused() -> None:
    with pytest.raises(UsageError, match="time zone 'Paris' is not known"):
        numbers_of(pd.Series(["2024-05-01"]), "Paris")


def test_the_span_is_told_as_dates_where_the_numbers_are_some() -> None:
    day = "2020-09-13 12:26"
    assert span(pd.Series([1_600_000_000])) == f"{day} to {day} UTC (seconds since 1970)"
    assert span(pd.Series([1_600_000_000_147])) == f"{day} to {day} UTC (milliseconds since 1970)"
    assert span(pd.Series([1, 50])) == "1 to 50"
