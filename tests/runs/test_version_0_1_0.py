"""Run folders that version 0.1.0 left: they load, go on and are compared as they were.

``tests/fixtures/version_0_1_0`` holds three, trained on the circle of ``recbole_cl/testing/toy.py``: one of ours with a
complementary encoder, one without, one of RecBole's.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from recbole_cl import load, run
from recbole_cl.cli import main
from recbole_cl.testing.toy import write_cycle

FIXTURES = Path(__file__).parents[1] / "fixtures" / "version_0_1_0"
EVERY_RUN = pytest.mark.parametrize("name", ["AdaptiveRec", "CL4SRec", "GRU4Rec"])


@pytest.fixture
def folder(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of a stored run, in the working folder that its relative paths are seen from."""
    monkeypatch.chdir(tmp_path)
    write_cycle(tmp_path / "dataset")
    shutil.copytree(FIXTURES / name, tmp_path / "saved" / name)
    return Path("saved") / name


@EVERY_RUN
def test_it_loads_and_scores_as_it_was_tested(folder: Path, name: str) -> None:
    loaded = load(folder)
    rows = loaded.splits[2][torch.arange(80)]
    with torch.no_grad():
        scores = loaded.model.full_sort_predict(rows)
    own = scores.gather(1, rows["item_id"].unsqueeze(1))
    ranks = (scores[:, 1:] >= own).sum(1)
    assert np.load(folder / "ranks_test.npy")[rows["user_id"].numpy() - 1].tolist() == ranks.tolist()


@EVERY_RUN
def test_it_goes_on_from_its_last_epoch(folder: Path, name: str) -> None:
    result = run(name, "cycle", resume=str(folder), epochs=3)
    assert result.run_dir == folder and result.epochs_run == 3
    log = (folder / "log.txt").read_text(encoding="utf-8")
    assert "epoch 2 training" in log and "epoch 1 training" not in log


@EVERY_RUN
def test_it_is_one_experiment_with_a_run_of_today_under_its_settings(
    folder: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    today = run(config_files=folder / "config.yaml", seed=2021, epochs=2).run_dir
    capsys.readouterr()
    assert main(["compare", str(folder), str(today), "--metrics", "hit@5"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("hit@5")]
    assert [row[1:3] for row in rows] == [[name, "2"]] * 2  # two seeds, under either protocol
