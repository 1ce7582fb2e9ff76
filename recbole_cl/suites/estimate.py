"""The runs of a suite before they are done: which are left, and how long they would take."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean

from tabulate import tabulate
from tqdm.auto import tqdm

from recbole_cl.errors import UsageError
from recbole_cl.report.store import load_run
from recbole_cl.runs.build import build_config
from recbole_cl.runs.timing import Timing, time_run
from recbole_cl.suites.job import State, state_of
from recbole_cl.suites.plan import PlannedRun

_HEADER = ["line", "dataset", *(state.value for state in State), "s an epoch", "epochs", "hours a run", "hours"]


def estimate(runs: Sequence[PlannedRun], shown: bool = True) -> str:
    """A table of the runs that are left, with times estimated from a few steps of each variant on each dataset.

    Args:
        runs: The plan.
        shown: Whether to show a progress bar.

    Returns:
        One line for each line of the suite's table. If a run of the same line is done, its number of epochs is used;
            otherwise early stopping is ignored, and the time is the maximum.
    """
    lines: dict[tuple[str, str], list[PlannedRun]] = {}
    for run in runs:
        lines.setdefault((run.label, run.dataset), []).append(run)
    timings: dict[tuple[str, str], Timing | str] = {}
    table, hours = [], 0.0
    for (label, dataset), members in tqdm(lines.items(), unit="line", disable=not shown, leave=False):
        states = [state_of(run) for run in members]
        row = [label, dataset, *(str(states.count(state)) for state in State)]
        open_runs = states.count(State.TO_DO) + states.count(State.BEGUN)
        key = members[0].variant, dataset  # the swept value rarely changes the work of a step
        if open_runs and key not in timings:
            timings[key] = _timed(members[0])
        timing = timings.get(key) if open_runs else None
        if isinstance(timing, str):
            row += ["-", "-", "-", f"would fail: {timing}"]
        elif timing is not None:
            epochs = _epochs_known(members)
            each = timing.seconds(epochs) / 3600
            hours += each * open_runs
            limit = f"{epochs:.0f}" if epochs else f"<= {timing.epochs}"
            row += [f"{timing.epoch:.2f}", limit, f"{each:.2f}", f"{each * open_runs:.2f}"]
        table.append(row)
    alignment = ["left", "left", *["right"] * (len(_HEADER) - 2)]
    grid: str = tabulate(table, headers=_HEADER, disable_numparse=True, colalign=alignment)
    words = "at most: early stopping is left out where no run of a line is done" if "<=" in grid else "by runs done"
    return f"{grid}\n\n{len(runs)} runs, {hours:.1f} hours of one worker ({words})"


def _timed(run: PlannedRun) -> Timing | str:
    try:
        settings = {**run.settings, "show_progress": False}
        return time_run(build_config(run.model, run.dataset, (), settings))
    except UsageError as error:
        return str(error)


def _epochs_known(runs: Sequence[PlannedRun]) -> float | None:
    """Mean number of epochs of the finished runs."""
    done = [load_run(run.folder).epochs_run for run in runs if state_of(run) is State.DONE]
    return mean(done) if done else None
