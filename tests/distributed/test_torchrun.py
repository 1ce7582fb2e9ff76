"""Whole runs that torchrun starts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from recbole_cl import load
from recbole_cl.evaluation.protocol import PROTOCOLS
from recbole_cl.runs.folder import RANKS, RESULT
from recbole_cl.runs.result import RunResult, parse_result
from recbole_cl.serving.evaluate import evaluate
from recbole_cl.testing.toy import TINY, write_cycle

ROOT = Path(__file__).parents[2]
EPOCHS = 20


def start(folder: Path, *flags: str, **settings: Any) -> subprocess.Popen[str]:
    """Starts two processes on the circle, whose runs lie in the folder's ``saved``."""
    paths = {"data_path": str(folder), "checkpoint_dir": str(folder / "saved")}
    given = [f"--{key}={value}" for key, value in (TINY | paths | {"epochs": EPOCHS} | settings).items()]
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", *flags]
    command = [*launcher, str(ROOT / "run_recbole_cl.py"), "-m", "DuoRec", "-d", "cycle", *given]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, env=environment, cwd=folder, **pipes)


def the_run(folder: Path) -> Path:
    (found,) = (it for it in (folder / "saved").iterdir() if it.is_dir())
    return found


def result_in(folder: Path) -> RunResult:
    return parse_result((folder / RESULT).read_bytes(), folder)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = torch.load(folder / "last.pth", weights_only=True)["state_dict"]
    return state


def when_epochs_are_done(folder: Path, child: subprocess.Popen[str]) -> None:
    """Waits for the third epoch's end in the log."""
    while child.poll() is None:
        logs = list((folder / "saved").glob("*/log.txt"))
        if logs and "epoch 3 of" in logs[0].read_text(encoding="utf-8"):
            return
        time.sleep(0.05)
    raise AssertionError(child.communicate())


def workers_of(launcher: int) -> list[int]:
    listed = Path(f"/proc/{launcher}/task/{launcher}/children").read_text(encoding="ascii")
    return [int(number) for number in listed.split()]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """The folder of a run of two processes, and what it printed."""
    folder = tmp_path_factory.mktemp("undisturbed")
    write_cycle(folder)
    child = start(folder)
    output, errors = child.communicate()
    assert child.returncode == 0, errors
    return the_run(folder), output, errors


@pytest.mark.slow
def test_two_processes_leave_one_run_whose_ranks_are_those_of_one_process(undisturbed: tuple[Path, str, str]) -> None:
    run_dir, output, errors = undisturbed
    assert output.count("history kept") == 1 and errors.count("epoch 1 of") == 1
    alone = evaluate(load(run_dir))  # in this process
    for protocol in PROTOCOLS:
        assert (np.load(run_dir / RANKS[protocol.name]) == alone.ranks[protocol.setting].rank.numpy()).all()


@pytest.mark.slow
def test_a_killed_worker_ends_all_and_torchruns_next_attempt_goes_on_exactly(
    undisturbed: tuple[Path, str, str], tmp_path: Path
) -> None:
    write_cycle(tmp_path)
    child = start(tmp_path, "--max-restarts=1")
    when_epochs_are_done(tmp_path, child)
    os.kill(workers_of(child.pid)[1], signal.SIGKILL)
    _, errors = child.communicate()
    assert child.returncode == 0, errors
    assert "resume with --resume=" in errors
    # On a busy machine, torchrun's SIGTERM can come before the broken connection.
    assert "error: another process of this run has ended" in errors or ": terminated" in errors
    cut = the_run(tmp_path)
    for key, value in weights(undisturbed[0]).items():
        assert torch.equal(weights(cut)[key], value), key
    assert result_in(cut).test == result_in(undisturbed[0]).test


@pytest.mark.slow
def test_a_signal_ends_all_processes_within_seconds_and_says_how_to_go_on(tmp_path: Path) -> None:
    write_cycle(tmp_path)
    child = start(tmp_path, epochs=500, stopping_step=500)
    when_epochs_are_done(tmp_path, child)
    workers, begin = workers_of(child.pid), time.monotonic()
    child.send_signal(signal.SIGTERM)
    _, errors = child.communicate()
    assert time.monotonic() - begin < 20
    assert not any(Path(f"/proc/{worker}").exists() for worker in workers)
    assert errors.count("resume with --resume=") == 1 and errors.count("run_recbole_cl.py: ") == 1
