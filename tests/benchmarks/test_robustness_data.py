"""A small part of the damaged files: none is lost, hangs or ends in a traceback."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from benchmarks import robustness_data


def test_damaged_files_are_loaded_whole_or_refused(tmp_path: Path) -> None:
    outcomes = list(robustness_data.damaged_data(24, random.Random(9), tmp_path))
    assert [outcome for outcome in outcomes if not outcome.good] == []
    assert len({outcome.ended for outcome in outcomes}) == 4  # both kinds, loaded and refused


def test_a_reader_that_loses_rows_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(robustness_data, "_loaded", lambda folder: 3)
    outcomes = list(robustness_data.damaged_data(24, random.Random(9), tmp_path))
    assert {"atomic files: silent loss", "sources: silent loss"} <= {outcome.ended for outcome in outcomes}
