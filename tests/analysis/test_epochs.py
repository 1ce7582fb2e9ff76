"""What is read back of what a run recorded."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from torch.utils.tensorboard import SummaryWriter

from recbole_cl.analysis.epochs import read_epochs


def test_all_epochs_are_there_with_the_figures_that_the_run_had(trained: dict[str, Path]) -> None:
    for folder in trained.values():
        result = json.loads((folder / "result.json").read_text())
        recorded = read_epochs(folder)
        assert all(list(recorded[tag].epoch) == [0, 1, 2] for tag in ("valid/mrr@10", "loss/total"))
        assert np.isclose(recorded["valid/mrr@10"].value[result["best_epoch"]], result["valid"]["mrr@10"])
        assert sum(tag.startswith("diagnostics/negatives/") for tag in recorded) == 41


def test_of_an_epoch_that_was_trained_twice_the_second_counts(tmp_path: Path) -> None:
    for epochs, value in (((0, 1, 2), 1.0), ((2, 3), 5.0)):
        with SummaryWriter(str(tmp_path), filename_suffix=f".{value}") as writer:
            for epoch in epochs:
                writer.add_scalar("valid/hit@5", value, epoch)
    series = read_epochs(tmp_path)["valid/hit@5"]
    assert series.epoch.tolist() == [0, 1, 2, 3] and series.value.tolist() == [1, 1, 5, 5]
    assert read_epochs(tmp_path / "none") == {}
