"""Where events go, and what they hold."""

from __future__ import annotations

import io
import logging
import os
import threading
from pathlib import Path

import pytest
from recbole.trainer import trainer as recbole_trainer
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from recbole_cl import run
from recbole_cl.testing.toy import TINY, write_cycle
from recbole_cl.trainer.tensorboard import EventFile, tensorboard_in, write_diagnostics, write_scalars

METRICS = {f"{name}@{k}" for name in ("hit", "ndcg", "mrr") for k in (5, 10, 20)}


def test_events_hold_named_losses_and_every_validation_metric(tmp_path: Path) -> None:
    result = run("DuoRec", "cycle", epochs=2, **TINY, **write_cycle(tmp_path))
    events = EventAccumulator(str(result.run_dir))
    events.Reload()
    tags = set(events.Tags()["scalars"])
    assert {"loss/recommendation", "loss/supervised", "loss/total", *(f"valid/{name}" for name in METRICS)} <= tags
    assert [event.step for event in events.Scalars("loss/total")] == [0, 1]
    assert [event.step for event in events.Scalars("valid/hit@10")] == [0, 1]


def test_figures_of_an_epoch_lie_in_their_group(tmp_path: Path) -> None:
    board = EventFile(tmp_path)
    write_scalars(board, "loss", {"recommendation": 2.0, "total": 3.5}, epoch=4)
    board.close()
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    figures = {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
    assert figures == {"loss/recommendation": [(4, 2.0)], "loss/total": [(4, 3.5)]}


def test_a_models_statistics_are_logged_and_points_of_curves_are_not(tmp_path: Path) -> None:
    board, logger, lines = EventFile(tmp_path), logging.Logger("statistics"), io.StringIO()
    logger.addHandler(logging.StreamHandler(lines))
    write_diagnostics(board, {"a": 1.0, "b/0.5": 2.0}, 4, logger)
    write_diagnostics(board, {"b/0.5": 2.0}, 5, logger)
    board.close()
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    assert set(events.Tags()["scalars"]) == {"diagnostics/a", "diagnostics/b/0.5"}
    assert lines.getvalue() == "epoch 4: a 1.0000\n"


def test_a_full_disk_is_told_with_the_files_name(tmp_path: Path) -> None:
    board = EventFile(tmp_path)
    (file,) = tmp_path.iterdir()
    with open("/dev/full", "wb") as full:
        os.dup2(full.fileno(), board._records._writer.fileno())
    for refused in (board.flush, board.close):
        with pytest.raises(OSError, match="No space left on device") as error:
            refused()
        assert error.value.filename == str(file)


def test_recboles_own_place_is_its_own_again_afterwards(tmp_path: Path) -> None:
    before = recbole_trainer.get_tensorboard
    with tensorboard_in(tmp_path):
        board = recbole_trainer.get_tensorboard(None)
    assert recbole_trainer.get_tensorboard is before
    board.close()
    assert [*tmp_path.glob("events.out.tfevents.*")]


def test_nothing_runs_beside_the_training(tmp_path: Path) -> None:
    before = threading.active_count()
    board = EventFile(tmp_path)
    board.add_scalar("a", 1.0, 0)
    assert threading.active_count() == before
    board.close()
    board.close()
