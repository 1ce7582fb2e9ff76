"""Times as numbers: exact, whatever they are written as."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from recbole_cl.data.files.times import dates_of, numbers_of, span
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
        (["monday", "soon"], "UTC", ["monday", "soon"]),
        (
            ["20240501T120000Z", "2024-05-01T12:00:00Z ", "20240501T14", "20240501T12+00"],
            "Europe/Paris",
            [1714564800] * 4,
        ),
        (["2024-05-01", "2024-05"], "Europe/Paris", [1714514400, 1714514400]),
    ],
)
def test_dates_are_seconds_since_1970_and_other_values_as_they_are(
    written: list[str], zone: str, seconds: list[float | str]
) -> None:
    assert numbers_of(dates_of(pd.Series(written), zone)).tolist() == seconds


@pytest.mark.parametrize("unit", ["s", "ms", "us"])
def test_dates_beyond_nanoseconds_stay_what_they_are(unit: str) -> None:
    dates = pd.Series(np.array(["0001-01-01", "9999-12-31"], f"datetime64[{unit}]"))
    assert numbers_of(dates_of(dates, "UTC")).tolist() == [-62135596800, 253402214400]


@pytest.mark.parametrize("kind", ["string", "timestamp[us]", "timestamp[ns, tz=Europe/Paris]", "date32[day]"])
def test_dates_of_pyarrow_are_dates(kind: str) -> None:
    pytest.importorskip("pyarrow")
    dates = pd.Series(pd.to_datetime(["2024-05-01"], utc="tz" in kind)).astype(f"{kind}[pyarrow]")
    assert numbers_of(dates_of(dates, "UTC")).tolist() == [1714521600]


def test_categories_are_read_as_what_they_are() -> None:
    assert numbers_of(dates_of(pd.Series(["2024-05-01"], dtype="category"), "UTC")).tolist() == [1714521600]
    assert numbers_of(dates_of(pd.Series([7], dtype="category"), "UTC")).tolist() == [7]


def test_an_unknown_zone_is_refused() -> None:
    for zone in ("Paris", None):
        with pytest.raises(UsageError, match=f"time zone {zone!r} is not known"):
            dates_of(pd.Series(["2024-05-01"]), zone)  # type: ignore[arg-type]


def test_the_span_is_told_as_dates_where_the_numbers_are_some() -> None:
    day = "2020-09-13 12:26"
    assert span(pd.Series([1_600_000_000])) == f"{day} to {day} UTC (seconds since 1970)"
    assert span(pd.Series([1_600_000_000_147])) == f"{day} to {day} UTC (milliseconds since 1970)"
    assert span(pd.Series([1, 50])) == "1 to 50"
