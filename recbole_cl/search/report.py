"""The files that a search writes: the best setting as YAML, a table of all trials, and two plots."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState
from tabulate import tabulate

from recbole_cl.search.drawing import settings_of_trial
from recbole_cl.search.ranges import Range, searched
from recbole_cl.search.study import ERROR, best_trial, without_warnings
from recbole_cl.search.trial import BEST_EPOCH, SECONDS
from recbole_cl.writing import atomic_write_text

BEST_SETTINGS, TABLE = "best.yaml", "trials.csv"
HISTORY, IMPORTANCE = "history.svg", "importance.svg"
_COLUMNS = ("trial", "state", "value", BEST_EPOCH, "validations", SECONDS)
_STATES = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
}


def write_best(folder: Path, study: Study, given: Mapping[str, Any], ranges: Mapping[str, Range], metric: str) -> None:
    """Writes ``best.yaml``, if a trial has finished.

    Args:
        folder: The study's folder.
        study: The study.
        given: The settings that all trials share.
        ranges: The ranges that were searched.
        metric: The metric to optimise.
    """
    best = best_trial(study)
    if best is None:
        return
    counts = _counts(study)
    head = (
        f"# The best of {len(study.get_trials(deepcopy=False))} trials ({counts}) of the study {study.study_name}:\n"
        f"# trial {best.number}, {metric} {best.value:.6f} on validation items, in epoch "
        f"{best.user_attrs.get(BEST_EPOCH)} (from 0).\n"
    )
    values = settings_of_trial(best.params, ranges)
    text = yaml.safe_dump({key: it for key, it in given.items() if key not in values}, sort_keys=True)
    found = yaml.safe_dump(values, sort_keys=False)
    atomic_write_text(folder / BEST_SETTINGS, f"{head}{text}# found\n{found}")


def write_table(folder: Path, study: Study, ranges: Mapping[str, Range]) -> None:
    """Writes ``trials.csv``: one line for each trial."""
    text = io.StringIO()
    lines = [_line(trial, ranges) for trial in study.get_trials(deepcopy=False)]
    writer = csv.DictWriter(text, [*_COLUMNS, *searched(ranges), ERROR], lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    atomic_write_text(folder / TABLE, text.getvalue())


def best_lines(study: Study, ranges: Mapping[str, Range], metric: str, most: int = 10) -> str:
    """The best trials as a text table, below the number of trials in each state."""
    ended = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    ended.sort(key=lambda it: it.values[0], reverse=study.direction is StudyDirection.MAXIMIZE)
    lines = [_line(trial, ranges) for trial in ended[:most]]
    shown = {"trial": "trial", "value": metric, BEST_EPOCH: "best epoch", SECONDS: "seconds"}
    shown |= {key: key for key in searched(ranges)}
    return f"{_counts(study)}\n{tabulate([[line[key] for key in shown] for line in lines], list(shown.values()))}"


def write_plots(folder: Path, study: Study) -> None:
    """Plots the best score over the trials, and the importance of each setting, as far as the trials allow it."""
    import matplotlib.pyplot as plt
    from optuna.visualization import matplotlib as draw

    ended = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    plots: dict[str, Callable[[Study], Any]] = {HISTORY: draw.plot_optimization_history} if ended else {}
    if len({trial.value for trial in ended}) > 1:  # if all scores are equal, there is no importance to compute
        plots[IMPORTANCE] = draw.plot_param_importances
    for name, plot in plots.items():
        with without_warnings():  # Optuna marks all of these as experimental
            figure = plot(study).figure
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", bbox_inches="tight")
        plt.close(figure)
        atomic_write_text(folder / name, buffer.getvalue())


def _counts(study: Study) -> str:
    states = [trial.state for trial in study.get_trials(deepcopy=False)]
    return ", ".join(f"{states.count(state)} {word}" for state, word in _STATES.items() if state in states)


def _line(trial: FrozenTrial, ranges: Mapping[str, Range]) -> dict[str, Any]:
    whole = trial.params.keys() == ranges.keys()  # if not, it is queued, or its process died while drawing
    seconds = trial.user_attrs.get(SECONDS)
    return {
        "trial": trial.number,
        "state": _STATES[trial.state],
        "value": trial.value,
        BEST_EPOCH: trial.user_attrs.get(BEST_EPOCH),
        "validations": len(trial.intermediate_values),
        SECONDS: None if seconds is None else round(seconds, 1),
        **(settings_of_trial(trial.params, ranges) if whole else {}),
        ERROR: trial.user_attrs.get(ERROR),
    }
