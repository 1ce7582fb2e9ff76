"""The search for the best settings, from its first trial to the test of the best one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recbole_cl.data.files.dataframe import DataSource, named_data
from recbole_cl.errors import UsageError
from recbole_cl.runs.result import RunResult
from recbole_cl.runs.settings import settings_of
from recbole_cl.search.task import prepare

if TYPE_CHECKING:
    from recbole_cl.search.loop import Search

DEFAULT_TRIALS, DEFAULT_PRUNE_AFTER, DEFAULT_RANDOM = 50, 10, 10
PRUNERS = ("median", "halving")
FIRST_TRIALS = ("drawn", "given")
_NEEDED = {"optuna": "Optuna", "matplotlib": "matplotlib"}


@dataclass(frozen=True)
class SearchResult:
    """The results of a search so far.

    Attributes:
        folder: Its folder, with ``best.yaml``, ``trials.csv``, ``history.svg`` and ``importance.svg``.
        best: The values of the best trial, by setting; empty if no trial has finished.
        value: Its score on validation items; None if there is none.
        tests: The runs of the best setting, one for each requested seed.
    """

    folder: Path
    best: Mapping[str, Any]
    value: float | None
    tests: Sequence[RunResult] = ()


def tune(
    model: str | type | None = None,
    dataset: DataSource | None = None,
    *,
    ranges: str | Path | None = None,
    trials: int | None = None,
    limit_hours: float | None = None,
    seeds: Sequence[int] = (),
    study: str | None = None,
    storage: Any = None,
    prune_after: int = DEFAULT_PRUNE_AFTER,
    random_trials: int = DEFAULT_RANDOM,
    pruner: str = PRUNERS[0],
    first_trial: str = FIRST_TRIALS[0],
    config_files: Sequence[str | Path] | str | Path = (),
    **settings: Any,
) -> SearchResult:
    """Searches for the settings with the best validation score; the same call resumes a search that was stopped.

    Trials are drawn by Optuna's TPE, seeded by the run's seed, and pruned when they fall behind the others. No trial
    uses test items. Other processes may call this at the same time, to share the work.

    Args:
        model: As for ``run``.
        dataset: As for ``run``.
        ranges: File of ranges, see ``files.read_ranges``; None for those that come with the model. Settings that are
            given here are not searched.
        trials: Number of trials in the whole study, >= 1; None for 50, or for any number if there is a time limit.
        limit_hours: Time limit in hours, >= 0; the search stops at the end of the epoch, and nothing is tested before
            there are as many trials as asked for. None for no limit.
        seeds: At the end, the best setting is trained and tested once for each of these.
        study: Name of the study; its folder is ``<checkpoint_dir>/tune-<study>``. None for model, dataset and seed.
        storage: One of Optuna's storages, or the URL of a database, which several machines may use; None for a file in
            the folder.
        prune_after: Number of epochs before which no trial is pruned, >= 0.
        random_trials: Number of first trials that are drawn at random, >= 0.
        pruner: ``median`` prunes a trial whose score falls below the median of the others, as soon as five have
            finished; ``halving`` (asynchronous successive halving: Li et al., 2020, arXiv:1810.05934) prunes a trial
            that is not among the best third at ``prune_after`` epochs, at 3 times as many, at 9 times, and so on.
        first_trial: ``drawn``, or ``given``: it has the values of files and defaults, which the ranges must contain, so
            that the best trial is at least as good as these on validation items.
        config_files: As for ``run``; the ranges override them.
        **settings: As for ``run``; all trials share them.

    Returns:
        The best values, and the folder of the search.

    Raises:
        UsageError: If a setting, a range or the data is wrong; if the study was begun with others; or if all trials
            fail.
    """
    require_optuna()
    from recbole_cl.search.loop import Limits, Search
    from recbole_cl.search.study import told_when_storage_fails

    _check_numbers(trials=trials, limit_hours=limit_hours, prune_after=prune_after, random_trials=random_trials)
    _check_words(seeds, pruner, first_trial)
    name, settings = named_data(dataset, settings)
    task = prepare(model, name, ranges, config_files, settings)
    typed = settings_of(task.config)
    study = study or f"{typed.model}-{typed.dataset}-{typed.seed}"
    if Path(study).name != study:
        raise UsageError(f"study = {study}: expected a name that a folder can have")
    if trials is None and limit_hours is None:
        trials = DEFAULT_TRIALS
    seconds = math.inf if limit_hours is None else 3600 * limit_hours
    limits = Limits(trials, seconds, prune_after, random_trials, pruner, first_trial == "given")
    folder = typed.folders / f"tune-{study}"
    with told_when_storage_fails(folder):
        search = Search(task, limits, folder, study, storage)
        search.run()
        return _result(search, seeds)


def require_optuna() -> None:
    """Refuses to begin without the packages of the extra ``tune``."""
    if missing := [name for module, name in _NEEDED.items() if find_spec(module) is None]:
        raise UsageError(f"tune needs {' and '.join(missing)}: pip install 'recbole_cl[tune]'")


def _result(search: Search, seeds: Sequence[int]) -> SearchResult:
    """The best trial so far; it is tested, if that is asked for and no trial is left that might be a better one."""
    from recbole_cl.search.drawing import settings_of_trial
    from recbole_cl.search.final import test_best
    from recbole_cl.search.study import best_trial, counted

    others = search.folders.under_way()  # first: a trial that ends in between then counts as the best, or as under way
    best = best_trial(search.study)
    if best is None:
        return SearchResult(search.folder, {}, None)
    values = settings_of_trial(best.params, search.task.ranges)
    tests: Sequence[RunResult] = ()
    ended, asked = sum(trial.state.is_finished() for trial in counted(search.study)), search.limits.trials
    if seeds and others:
        print(f"no test yet: other workers are at trials {others}; the last to finish tests, or run this command again")
    elif seeds and asked is not None and ended < asked:
        print(f"no test yet: {ended} of {asked} trials have ended; the same command continues")
    elif seeds:
        tests = test_best(search.task, values, search.folder / f"test-of-trial-{best.number:04d}", seeds)
    return SearchResult(search.folder, values, best.value, tests)


def _check_words(seeds: Sequence[int], pruner: str, first_trial: str) -> None:
    if len(set(seeds)) < len(seeds):
        raise UsageError(f"seeds {list(seeds)} has a seed twice: each seed gives one run")
    for what, value, known in (("pruner", pruner, PRUNERS), ("first_trial", first_trial, FIRST_TRIALS)):
        if value not in known:
            raise UsageError(f"{what} = {value}: expected {' or '.join(known)}")


def _check_numbers(**numbers: float | None) -> None:
    least = {"trials": 1, "limit_hours": 0, "prune_after": 0, "random_trials": 0}
    for name, value in numbers.items():
        if value is not None and not (least[name] <= value < math.inf):
            raise UsageError(f"{name} = {value}: expected a number >= {least[name]}")
