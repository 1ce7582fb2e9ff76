"""One run of a suite: done, paused and resumed exactly, failed, taken; and in a process of its own."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest
import torch

from recbole_cl.report.store import load_run
from recbole_cl.runs.lock import LOCK
from recbole_cl.suites import job
from recbole_cl.suites.job import (
    Outcome,
    State,
    carry_out_apart,
    carry_out_here,
    failure_of,
    forget_failure,
    is_taken,
    state_of,
)
from recbole_cl.suites.plan import Choice, PlannedRun, plan
from tests.suites.conftest import suite_of, wait_until


@pytest.fixture
def run(toy: Choice) -> PlannedRun:
    return plan(suite_of(), toy)[0]


def test_a_run_that_is_paused_between_epochs_goes_on_as_if_it_had_not_been(run: PlannedRun, tmp_path: Path) -> None:
    assert state_of(run) is State.TO_DO
    assert carry_out_here(run, deadline=time.time()) is Outcome.PAUSED and state_of(run) is State.BEGUN
    assert carry_out_here(run) is Outcome.DONE and state_of(run) is State.DONE
    unbroken = replace(run, folder=tmp_path / "unbroken")
    assert carry_out_here(unbroken) is Outcome.DONE
    first, second = load_run(run.folder), load_run(unbroken.folder)
    assert first.test == second.test and first.epochs_run == 2
    weights = [torch.load(it.folder / "last.pth", weights_only=True)["state_dict"] for it in (run, unbroken)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_a_run_that_is_done_is_not_done_again(run: PlannedRun) -> None:
    run.folder.mkdir(parents=True)
    (run.folder / "result.json").touch()
    assert carry_out_here(run) is Outcome.DONE
    assert {path.name for path in run.folder.iterdir()} - {LOCK} == {"result.json"}


def test_a_failure_is_one_line_and_kept_until_it_is_forgotten(run: PlannedRun) -> None:
    broken = replace(run, settings={**run.settings, "topk": [5, 10, 20, 50]})  # of 20 items
    assert carry_out_here(broken) is Outcome.FAILED and state_of(run) is State.FAILED
    assert failure_of(run).startswith("topk = 50: there are 20 items")
    assert carry_out_here(run) is Outcome.FAILED  # not tried again
    forget_failure(run)
    assert carry_out_here(run) is Outcome.DONE


@pytest.mark.slow
def test_a_process_tells_its_worker_how_the_run_ended(run: PlannedRun) -> None:
    assert carry_out_apart(run, 1.0, os.environ, lambda: None) is Outcome.PAUSED and state_of(run) is State.BEGUN
    broken = replace(run, settings={**run.settings, "topk": [5, 10, 20, 50]})
    assert carry_out_apart(broken, None, os.environ, lambda: None) is Outcome.FAILED
    assert failure_of(run).startswith("topk = 50: there are 20 items")
    forget_failure(run)
    assert carry_out_apart(run, None, os.environ, lambda: None) is Outcome.DONE


def test_a_signal_to_both_processes_is_no_failure_of_the_run(run: PlannedRun, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a scheduler ends a job: the run's process may have died before its worker gets the signal."""

    def sleep(seconds: float) -> None:
        if seconds == job._UNTIL_SIGNALLED:
            raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", sleep)
    monkeypatch.setattr("sys.executable", "false")
    with pytest.raises(KeyboardInterrupt):
        carry_out_apart(run, None, os.environ, lambda: None)
    assert state_of(run) is State.TO_DO


@pytest.mark.slow
def test_a_process_ends_with_its_worker_and_its_own_death_is_a_failure(toy: Choice) -> None:
    endless = {**toy.settings, "epochs": 10**6, "stopping_step": 10**6}
    (run,) = plan(suite_of(seeds=[1]), replace(toy, settings=endless))
    worker = get_context("fork").Process(target=carry_out_apart, args=(run, None, os.environ, lambda: None))
    worker.start()
    wait_until(lambda: (run.folder / "last.pth").is_file())
    assert is_taken(run) and carry_out_here(run) is Outcome.TAKEN
    worker.kill()
    worker.join()
    wait_until(lambda: not is_taken(run))
    assert state_of(run) is State.BEGUN

    def kill_it_once_it_trains() -> None:
        if is_taken(run):
            psutil.Process().children()[0].kill()

    assert carry_out_apart(run, None, os.environ, kill_it_once_it_trains) is Outcome.FAILED
    assert "killed by signal 9" in failure_of(run) and not is_taken(run)
