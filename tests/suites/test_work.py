"""A worker among others: the order of runs, what it leaves to others, and what it does when one of them is dead."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from tqdm import tqdm

from recbole_cl.report.store import load_run
from recbole_cl.runs.lock import locked
from recbole_cl.suites.job import Outcome, State, carry_out_here, is_taken, state_of
from recbole_cl.suites.plan import Choice, PlannedRun, plan
from recbole_cl.suites.work import progress_bar, work
from tests.suites.conftest import suite_of, wait_until
from tests.watching import watching


class Executor:
    """Marks runs as done, and notes them."""

    def __init__(self, outcomes: Sequence[Outcome] = ()) -> None:
        self.seen: list[int] = []
        self._outcomes = iter(outcomes)

    def __call__(self, run: PlannedRun, deadline: float | None) -> Outcome:
        self.seen.append(run.seed)
        outcome = next(self._outcomes, Outcome.DONE)
        if outcome in (Outcome.DONE, Outcome.FAILED):
            run.folder.mkdir(parents=True, exist_ok=True)
            (run.folder / ("result.json" if outcome is Outcome.DONE else "failed.json")).touch()
        return outcome


@pytest.fixture
def runs(toy: Choice) -> list[PlannedRun]:
    return plan(suite_of(seeds=[1, 2, 3]), toy)


def do(runs: Sequence[PlannedRun], execute: Executor, deadline: float | None = None) -> tuple[list[int], tqdm]:
    told: list[int] = []
    with progress_bar(runs, shown=False) as bar:
        work(runs, execute, deadline, lambda run: told.append(run.seed), bar, poll=0.01)
    return told, bar


def test_what_fails_is_passed_over_and_what_is_done_is_not_begun(runs: list[PlannedRun]) -> None:
    execute = Executor([Outcome.DONE, Outcome.FAILED])
    assert do(runs, execute)[0] == execute.seen == [1, 2, 3]
    assert [state_of(run) for run in runs] == [State.DONE, State.FAILED, State.DONE]
    again = Executor()
    assert do(runs, again)[0] == again.seen == []


def test_no_run_is_begun_when_the_time_is_up_nor_after_one_that_was_paused(runs: list[PlannedRun]) -> None:
    late, paused = Executor(), Executor([Outcome.DONE, Outcome.PAUSED])
    do(runs, late, deadline=time.time())
    do(runs, paused)
    assert late.seen == [] and paused.seen == [1, 2]


def test_a_run_that_another_process_has_is_left_to_it_until_it_is_gone(runs: list[PlannedRun]) -> None:
    runs[0].folder.mkdir(parents=True)
    fork = get_context("fork")
    held, release = fork.Event(), fork.Event()
    other = fork.Process(target=_hold, args=(runs[0].folder, held, release))
    other.start()
    assert held.wait(60)

    class Releasing(Executor):
        def __call__(self, run: PlannedRun, deadline: float | None) -> Outcome:
            if run.seed == 3:
                release.set()
                other.join()
            return super().__call__(run, deadline)

    execute = Releasing()
    do(runs, execute)
    assert execute.seen == [2, 3, 1]


def _hold(folder: Path, held: Any, release: Any) -> None:
    with locked(folder):
        held.set()
        release.wait(60)


@pytest.mark.slow
def test_of_two_workers_one_is_killed_and_every_run_is_done_once(toy: Choice, tmp_path: Path) -> None:
    runs = plan(suite_of(seeds=[1, 2, 3]), replace(toy, settings={**toy.settings, "epochs": 4}))
    fork = get_context("fork")
    first = fork.Process(target=_worker, args=(runs, tmp_path / "first", "epoch 2 training"))
    second = fork.Process(target=_worker, args=(runs, tmp_path / "second", None))
    first.start()
    wait_until(lambda: (tmp_path / "first" / "stuck").is_file())
    second.start()
    wait_until(lambda: state_of(runs[2]) is State.DONE)  # and it waits for what the first has taken
    assert [state_of(run) for run in runs] == [State.BEGUN, State.DONE, State.DONE] and is_taken(runs[0])
    first.kill()
    first.join()
    second.join()
    assert second.exitcode == 0 and [state_of(run) for run in runs] == [State.DONE] * 3
    assert {path.name for path in (tmp_path / "second").iterdir()} == {str(run) for run in runs}
    unbroken = replace(runs[0], folder=tmp_path / "unbroken")
    assert carry_out_here(unbroken) is Outcome.DONE
    broken, whole = load_run(runs[0].folder), load_run(unbroken.folder)
    assert broken.test == whole.test and broken.epochs_run == whole.epochs_run == 4
    resumed = json.loads((runs[0].folder / "environment.json").read_text())["resumed"]
    assert [it["epoch"] for it in resumed] == [2]


def _worker(runs: Sequence[PlannedRun], notes: Path, stuck_at: str | None) -> None:
    """A worker, which hangs where a run says certain words."""
    notes.mkdir()

    def see(message: str) -> None:
        if stuck_at and stuck_at in message:
            (notes / "stuck").touch()
            time.sleep(600)

    with watching(see), progress_bar(runs, shown=False) as bar:
        work(runs, carry_out_here, None, lambda run: (notes / str(run)).touch(), bar, poll=0.1)
