"""What a training shows: one line for each epoch on the terminal, all metrics in the log."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

import pytest

from recbole_cl import run
from recbole_cl.testing.toy import TINY, write_cycle
from recbole_cl.trainer.console import FOR_THE_FILE, Console, Validations, progress_bar

LOSSES = {"recommendation": 2.5, "contrastive": 0.25, "total": 2.75}


def lines(caplog: pytest.LogCaptureFixture, for_the_file: bool) -> list[str]:
    return [it.getMessage() for it in caplog.records if hasattr(it, FOR_THE_FILE) is for_the_file]


@pytest.mark.parametrize(
    ("score", "seen", "told"),
    [
        (0.5, Validations(0.5, 3, 11), "validation MRR@10 0.5000, the best so far"),
        (0.4, Validations(0.5, 1, 9), "validation MRR@10 0.4000, best 0.5000 (epoch 2); stops after 9 more without"),
        (0.4, Validations(0.5, 1, 0), "best 0.5000 (epoch 2); stops here"),
        (None, Validations(0.5, 1, 9), "not validated, best 0.5000 (epoch 2)"),
        (float("-inf"), Validations(float("-inf"), -1, 9), "not validated, no best yet"),
    ],
)
def test_an_epoch_is_one_line(score: Any, seen: Validations, told: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    console = Console(300, "MRR@10", digits=3)
    console.begins(3)
    console.trained(3, LOSSES)
    console.ends(3, score, {"mrr@10": 0.4, "hit@5": 0.6}, seen)
    (line,) = lines(caplog, for_the_file=False)
    assert re.match(r"epoch 4 of at most 300: \d+\.\d s; loss: recommendation 2.5000, contrastive 0.2500, total", line)
    assert told in line
    first, *rest = lines(caplog, for_the_file=True)
    assert first.startswith("epoch 3 training [time: ") and "recommendation: 2.500, contrastive: 0.250" in first
    assert score is None or rest[0].endswith("valid result: \nmrr@10 : 0.4    hit@5 : 0.6")


def test_bars_are_for_those_who_can_see_them(capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    assert progress_bar(3, "", show=True).disable
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert progress_bar(3, "", show=False).disable
    with progress_bar(3, "x", show=True) as bar:
        assert not bar.disable


def test_a_run_tells_a_person_and_its_log_file_tells_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = TINY | write_cycle(tmp_path)
    first = run("SASRec", "cycle", epochs=2, stopping_step=1, **settings)
    resumed = run(resume=str(first.run_dir), epochs=3, show_progress=True)
    out, err = capsys.readouterr()
    assert out == "" and "\x1b" not in err and "valid result" not in err and "\r" not in err
    assert len(re.findall(r"^\d\d:\d\d:\d\d epoch \d of at most \d: .*; validation MRR@10 0", err, re.MULTILINE)) == 3
    assert f"resumes with epoch 3 of at most 3, from {first.run_dir / 'last.pth'}" in err
    log = (first.run_dir / "log.txt").read_text(encoding="utf-8")
    assert len(re.findall(r"INFO epoch \d training \[time: .*, recommendation: .*, total: ", log)) == 3
    assert log.count("ndcg@20 : ") == 3 and "\x1b" not in log and resumed.table() in log
