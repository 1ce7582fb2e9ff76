"""The list of runs."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from recbole_cl.cli import main
from recbole_cl.report.listing import DAMAGED, FINISHED, UNFINISHED, list_runs, readable_age
from recbole_cl.runs.folder import CONFIG, RESULT

STORED = Path(__file__).parents[1] / "fixtures" / "version_0_1_0"


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    source = next(STORED.rglob(CONFIG)).parent
    for name in ("done", "cut", "broken"):
        shutil.copytree(source, tmp_path / "saved" / name)
    (tmp_path / "saved" / "cut" / RESULT).unlink()
    (tmp_path / "saved" / "broken" / CONFIG).write_text("{")
    (tmp_path / "saved" / "no run").mkdir()
    for name, age in (("done", 60), ("cut", 7_300), ("broken", 0)):
        for file in (tmp_path / "saved" / name).iterdir():
            os.utime(file, (time.time() - age,) * 2)
    return tmp_path / "saved"


def test_every_run_is_listed_with_its_state(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = {run.folder.name: run for run in list_runs(saved)}
    assert {name: run.state for name, run in found.items()} == {"done": FINISHED, "cut": UNFINISHED, "broken": DAMAGED}
    assert found["done"].valid.split()[0] == "mrr@10" and float(found["done"].valid.split()[1]) >= 0
    assert found["cut"].age > 7_200 and found["cut"].valid == ""
    assert main(["runs", str(saved)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "2 h" in lines[2] and "cut" in lines[2] and len(lines) == 5  # the oldest first


def test_names_in_files_do_nothing_to_the_terminal(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (saved / "cut" / CONFIG).write_text('{"model": "\\x1b]0;title\\x07", "dataset": "d", "seed": 1}')
    assert main(["runs", str(saved)]) == 0
    told = capsys.readouterr().out
    assert "\x1b" not in told and "\\x1b]0;title\\x07" in told and told.count("\n") == 5


def test_nothing_to_list(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", str(tmp_path)]) == 0
    assert "no runs in" in capsys.readouterr().out
    assert main(["runs", str(tmp_path / "missing")]) == 2
    assert [readable_age(s) for s in (1, 119, 121, 7_300, 500_000)] == ["1 s", "119 s", "2 min", "2 h", "6 d"]
