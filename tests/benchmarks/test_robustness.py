"""A small part of benchmarks/robustness.py, drawn from a seed: what it tries ends as it should, and it would tell."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from benchmarks import robustness


@pytest.mark.slow
@pytest.mark.parametrize(("part", "count"), [("kills", 2), ("terminations", 2), ("checkpoints", 12), ("input", 25)])
def test_some_cases_end_as_they_should(part: str, count: int, tmp_path: Path) -> None:
    outcomes = list(robustness.parts()[part].run(count, Random(1), tmp_path))
    assert len(outcomes) == count and [outcome for outcome in outcomes if not outcome.good] == []


def test_what_goes_wrong_is_told(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    def run(count: int, random: Random, folder: Path) -> Iterator[Any]:
        yield robustness.Outcome("one", "refused", good=True)
        yield robustness.Outcome("two", "executed", good=False)

    monkeypatch.setattr(robustness, "parts", lambda: {"made up": robustness.Part("what is tried", 2, run)})
    assert robustness.main(["made up"]) == 1
    out, err = capsys.readouterr()
    assert "| executed |       1 | **not as it should** |" in out and err == "BAD: two: executed\n"
