"""Converts times of any kind to numbers whose order is exact."""

from __future__ import annotations

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pandas as pd
from pandas.api.types import is_datetime64_any_dtype, is_datetime64_dtype, is_object_dtype, is_string_dtype

from recbole_cl.errors import UsageError

# Smallest value read as this many units per second since 1970, only for display; all but seconds are after 1973.
_UNITS = ((10**17, "nanoseconds", 10**9), (10**14, "microseconds", 10**6), (10**11, "milliseconds", 10**3))
_EARLIEST = 10**8  # seconds; smaller numbers are not dates


def dates_of(times: pd.Series, zone: str) -> pd.Series:
    """Finds the dates among times; times without any date stay as they are.

    Args:
        times: Numbers, numbers as text, a datetime column, or text in the form of ISO 8601, such as
            ``2024-05-01T12:00:00+02:00`` or ``2024-05-01 12:00``; without missing values.
        zone: Time zone of text that names none, such as ``Europe/Paris``; a datetime column without a time zone is in
            UTC.

    Returns:
        Dates in UTC, as datetime64 of any unit, missing where text is no date between 1677 and 2262; or the times, if
            none of them is a date or the first is a number.

    Raises:
        UsageError: If there is no such time zone.
    """
    try:
        key = ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError, TypeError, AttributeError):
        raise UsageError(f"time zone {zone!r} is not known: give one such as UTC or Europe/Paris") from None
    if isinstance(times.dtype, pd.CategoricalDtype):
        times = times.astype(times.cat.categories.dtype)
    if str(times.dtype).startswith(("date32", "date64")):  # pyarrow's dates without a time
        times = times.astype(str)
    if is_datetime64_any_dtype(times.dtype):
        dates = times if times.dt.tz is None else times.dt.tz_convert("UTC").dt.tz_localize(None)
        return pd.Series(dates.to_numpy(), index=times.index)
    if times.dtype.kind == "m":  # durations, which pandas would treat as numbers
        return times.astype(str)
    is_text = is_object_dtype(times.dtype) or is_string_dtype(times.dtype)
    if not is_text or pd.to_numeric(times.head(1), errors="coerce").notna().all():
        return times
    dates = _dates(times.astype(str), key)
    return times if dates.isna().all() else dates


def numbers_of(times: pd.Series) -> pd.Series:
    """Converts a column of dates to seconds since 1970; numbers stay as they are.

    Args:
        times: Numbers, or dates in UTC as datetime64, all of the log: they get one unit.

    Returns:
        Whole seconds as int64; seconds with whole microseconds as float64, exact until 2255; nanoseconds as int64 if
            microseconds are too coarse.
    """
    if not is_datetime64_dtype(times):
        return times
    dates = times.to_numpy()
    if dates.dtype == "datetime64[ns]" and (dates.astype(np.int64) % 1_000).any():
        return pd.Series(dates.astype(np.int64), index=times.index)
    microseconds = dates.astype("datetime64[us]").astype(np.int64)
    if (microseconds % 1_000_000).any():
        return pd.Series(microseconds / 1e6, index=times.index)
    return pd.Series(microseconds // 1_000_000, index=times.index)


def span(times: pd.Series) -> str:
    """The first and the last time in words, as dates if the numbers look like times since 1970."""
    first, last = times.min(), times.max()
    per_second, unit = next(((rate, unit) for least, unit, rate in _UNITS if first >= least), (1, "seconds"))
    if not _EARLIEST <= first / per_second < 10**10 or last / per_second >= 10**10:
        return f"{first:,} to {last:,}"
    begin, end = (pd.Timestamp(int(time // per_second), unit="s") for time in (first, last))
    return f"{begin:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC ({unit} since 1970)"


def _dates(text: pd.Series, zone: ZoneInfo) -> pd.Series:
    """Text as times in UTC, missing where it is not a date; text that names no zone is local time."""
    text = text.str.strip()
    named = text.str.contains(r"(?:Z|[T ].*[+-]\d\d(?::?\d\d)?)$", regex=True)
    dates = pd.to_datetime(text, format="ISO8601", utc=True, errors="coerce")
    if zone.key != "UTC" and not named.all():
        local = dates[~named].dt.tz_localize(None).dt.tz_localize(zone, ambiguous=True, nonexistent="shift_forward")
        dates = dates.where(named, local.dt.tz_convert("UTC"))
    return dates.dt.tz_localize(None)
