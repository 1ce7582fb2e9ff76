"""Timing of an author's training script: in its folder, with its flags, until there are enough steps."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from benchmarks import authors
from recbole_cl.errors import UsageError

SCRIPT = """
import sys, time
import torch
import absent_library
from neighbour import WAIT
assert sys.argv == ["main.py", "--epochs", "1"]
weight = torch.nn.Parameter(torch.ones(2))
optimizer = torch.optim.Adam([weight])
for step in range(8):
    time.sleep(WAIT)
    optimizer.zero_grad()
    weight.sum().backward()
    optimizer.step()
open("end.txt", "w").close()
"""


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "neighbour.py").write_text("WAIT = 0.01")
    (tmp_path / "main.py").write_text(SCRIPT)
    monkeypatch.delitem(sys.modules, "neighbour", raising=False)
    monkeypatch.setitem(sys.modules, "absent_library", None)
    authors.replace_missing(["absent_library"])
    return tmp_path / "main.py"


def test_steps_are_timed_and_the_script_is_stopped(script: Path) -> None:
    before = Path.cwd(), list(sys.argv), list(sys.path)
    seconds = authors.measure(script, ["--epochs", "1"], steps=4)
    assert len(seconds) == 4 and min(seconds) >= 0.01
    assert not (script.parent / "end.txt").exists() and (Path.cwd(), sys.argv, sys.path) == before
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1)
    for _ in range(9):
        optimizer.step()  # the hook is gone: nothing is raised


def test_a_script_with_too_few_steps_is_told(script: Path) -> None:
    with pytest.raises(UsageError, match="ended after 8 steps: lower --steps"):
        authors.measure(script, ["--epochs", "1"], steps=20)


def test_what_cannot_be_timed_is_told(script: Path) -> None:
    with pytest.raises(UsageError, match="--steps = 0: expected 1 or more"):
        authors.measure(script, [], steps=0)
    with pytest.raises(UsageError, match="there is no script .*absent.py"):
        authors.measure(script.with_name("absent.py"), [], steps=1)
