"""A worker: does the runs of a plan that no other worker is doing, one after another."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tqdm.auto import tqdm

from recbole_cl.suites.job import Outcome, State, carry_out_apart, is_taken, state_of
from recbole_cl.suites.plan import PlannedRun

_POLL = 5.0  # seconds between two checks of other workers' progress

Execute = Callable[[PlannedRun, float | None], Outcome]


def work(
    runs: Sequence[PlannedRun],
    execute: Execute,
    deadline: float | None,
    after: Callable[[PlannedRun], object],
    bar: Any,
    poll: float = _POLL,
) -> None:
    """Does the unfinished runs in order, and waits for those that other workers are doing.

    Args:
        runs: The plan.
        execute: Executes one run.
        deadline: Time (of ``time.time``) after which no run is begun; None for no limit.
        after: Called with each run that this worker has done, or that has failed.
        bar: A progress bar over all runs.
        poll: Seconds between two checks of other workers' progress.
    """
    while open_runs := _open(runs):
        idle = True
        for run in open_runs:
            _show(bar, runs, str(run))
            if _is_over(deadline):
                return
            if state_of(run) not in (State.TO_DO, State.BEGUN) or is_taken(run):
                continue
            outcome = execute(run, deadline)
            if outcome is Outcome.PAUSED:
                return
            if outcome is not Outcome.TAKEN:
                idle = False
                after(run)
        if idle and _open(runs):
            _show(bar, runs, "waiting for other workers")
            time.sleep(poll)
    _show(bar, runs, "")


def progress_bar(runs: Sequence[PlannedRun], shown: bool) -> Any:
    """A progress bar over all runs; the remaining time is estimated from runs finished since it began."""
    done = len(runs) - len(_open(runs))
    return tqdm(total=len(runs), initial=done, unit="run", smoothing=0, dynamic_ncols=True, disable=not shown)


def in_processes(bar: Any, environment: Mapping[str, str]) -> Execute:
    """Executes runs in separate processes, and keeps the bar's clock running."""

    def execute(run: PlannedRun, deadline: float | None) -> Outcome:
        return carry_out_apart(run, deadline, environment, bar.refresh)

    return execute


def _open(runs: Sequence[PlannedRun]) -> list[PlannedRun]:
    return [run for run in runs if state_of(run) in (State.TO_DO, State.BEGUN)]


def _is_over(deadline: float | None) -> bool:
    return deadline is not None and time.time() >= deadline


def _show(bar: Any, runs: Sequence[PlannedRun], words: str) -> None:
    bar.update(len(runs) - len(_open(runs)) - bar.n)  # includes runs of other workers
    bar.set_postfix_str(words)
