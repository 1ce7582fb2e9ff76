"""A refusal names the line as an editor counts it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recbole_cl.data.files.origin import Origin, refuse_missing, refuse_not_a_number, text_file
from recbole_cl.data.files.text import Text
from recbole_cl.errors import UsageError


def lines(content: str) -> Origin:
    text = Text.of(content.encode(), Path("log"), "utf-8", "")
    return text_file(text, text.header()[1])


def test_blank_lines_are_counted_and_lines_of_separators_are_rows() -> None:
    origin = lines("header\n\nrow 0\n \r\n\t\t\nrow 2\n")
    assert [origin.place(row) for row in range(3)] == [f"log, line {line}" for line in (3, 5, 6)]


def test_the_first_missing_value_is_named_and_all_are_counted() -> None:
    message = (
        "log, line 3: no value in 'who' .* 2 lines in all\\): give --drop-missing to leave them out, remove the lines"
    )
    with pytest.raises(UsageError, match=message):
        refuse_missing(pd.Series(["a", None, np.nan]), "who", lines("who\na\nNA\nNA\n"))


def test_numbers_are_exact_and_the_first_other_value_is_named() -> None:
    origin = lines("time\n1\ninf\nx\n")
    assert refuse_not_a_number(pd.Series(["1", 2.5]), "t", origin, "").tolist() == [1.0, 2.5]
    assert refuse_not_a_number(pd.Series([str(2**53 + 1)]), "t", origin, "").tolist() == [2**53 + 1]
    with pytest.raises(UsageError, match="line 3: 'inf' in 't' is not a number: count"):
        refuse_not_a_number(pd.Series(["1", "inf", "x"]), "t", origin, "count")
    for beyond in (10**400, "9" * 400):
        with pytest.raises(UsageError, match=r"line 2: .*\(40. characters\) in 't' is not a number"):
            refuse_not_a_number(pd.Series([beyond], dtype=object), "t", origin, "count")
