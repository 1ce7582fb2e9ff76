"""A refusal names the line as an editor counts it."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recbole_cl.data.files.origin import refuse_missing, refuse_not_a_number, text_file
from recbole_cl.errors import UsageError


@pytest.mark.parametrize("compressed", [False, True])
def test_blank_lines_are_counted_and_lines_of_separators_are_rows(tmp_path: Path, compressed: bool) -> None:
    path = tmp_path / ("log.csv.gz" if compressed else "log.csv")
    text = b"header\n\nrow 0\n \r\n\t\t\nrow 2\n"
    path.write_bytes(gzip.compress(text) if compressed else text)
    origin = text_file(path, first_line=2)
    assert [origin.place(row) for row in range(3)] == [f"{path}, line {line}" for line in (3, 5, 6)]


def test_the_first_missing_value_is_named_and_all_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("who\na\nNA\nNA\n")
    with pytest.raises(UsageError, match=r"log.csv, line 3: no value in 'who' .* 2 lines in all\): remove the lines"):
        refuse_missing(pd.Series(["a", None, np.nan]), "who", text_file(path, first_line=2))


def test_numbers_come_back_as_float64_and_the_first_other_value_is_named(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_text("1\ninf\nx\n")
    origin = text_file(path, first_line=1)
    assert refuse_not_a_number(pd.Series(["1", 2]), "t", origin, "").tolist() == [1.0, 2.0]
    with pytest.raises(UsageError, match="line 2: 'inf' in 't' is not a number: count"):
        refuse_not_a_number(pd.Series(["1", "inf", "x"]), "t", origin, "count")
