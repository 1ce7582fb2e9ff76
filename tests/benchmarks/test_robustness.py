"""A small part of benchmarks/robustness.py, drawn from a seed: what it tries ends as it should, and it would tell."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from tqdm import tqdm

from benchmarks import robustness
from benchmarks._children import start


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


def test_a_child_that_is_killed_while_it_draws_a_bar_holds_up_nobody(tmp_path: Path) -> None:
    def draw() -> None:
        with tqdm.get_lock():
            (tmp_path / "drawing").touch()
            time.sleep(60)

    child = start(draw, tmp_path)
    while not (tmp_path / "drawing").exists():
        time.sleep(0.01)
    child.kill()
    assert child.wait() == -9
    assert tqdm.get_lock().acquire(blocking=False)
    tqdm.get_lock().release()
