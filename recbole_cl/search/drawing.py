"""How Optuna draws the values of a trial, and how they are converted to settings."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from recbole_cl.config.settings import canonical
from recbole_cl.errors import UsageError
from recbole_cl.search.ranges import Choice, Range, keys_of, values_by_key


class NumberedTPE(BaseSampler):
    """Optuna's tree-structured Parzen estimator, seeded for each trial by the run's seed and the trial's number.

    So no two workers on the same study draw the same values, and a stopped search resumes as if never stopped.

    Reference:
        Bergstra et al., "Algorithms for Hyper-Parameter Optimization", NeurIPS 2011.

    Args:
        seed: The run's seed.
        n_random: Number of first trials that are drawn at random, >= 0.
    """

    def __init__(self, seed: int, n_random: int) -> None:
        self._seed, self._n_random = seed, n_random
        self._tpe = self._seeded(0)

    def _seeded(self, number: int) -> TPESampler:
        (seed,) = np.random.SeedSequence([self._seed, number]).generate_state(1)
        return TPESampler(seed=int(seed), n_startup_trials=self._n_random, multivariate=True, constant_liar=True)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        self._tpe = self._seeded(trial.number)
        self._tpe.before_trial(study, trial)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self._tpe.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self._tpe.sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self._tpe.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        self._tpe.after_trial(study, trial, state, values)


def distributions(ranges: Mapping[str, Range]) -> dict[str, BaseDistribution]:
    """Ranges in Optuna's form; choices that are not plain values become their JSON texts."""
    return {key: _distribution(its) for key, its in ranges.items()}


def _distribution(its: Range) -> BaseDistribution:
    if isinstance(its, Choice):
        return CategoricalDistribution([_as_choice(value) for value in its.values])
    if isinstance(its.low, int) and isinstance(its.high, int):
        return IntDistribution(its.low, its.high, log=its.log, step=int(its.step or 1))
    return FloatDistribution(its.low, its.high, log=its.log, step=its.step)


def _as_choice(value: Any) -> Any:
    plain = value is None or isinstance(value, bool | int | float | str)
    return value if plain else json.dumps(value, sort_keys=True, default=str)


def trial_of_settings(settings: Mapping[str, Any], ranges: Mapping[str, Range]) -> dict[str, Any]:
    """What Optuna would have drawn for these settings; the inverse of ``settings_of_trial``.

    Raises:
        UsageError: If a range does not contain its settings' values.
    """
    found: dict[str, Any] = {}
    for name, its in ranges.items():
        values = [settings[key] for key in keys_of(name)]
        value: Any = values if len(values) > 1 else values[0]
        if isinstance(its, Choice):
            equal = [_as_choice(it) for it in its.values if canonical(it) == canonical(value)]
        else:
            equal = [value] if isinstance(value, int | float) and _distribution(its)._contains(value) else []
        if not equal:
            raise UsageError(f"the first trial can't be as given: {name} = {value}, which its range does not contain")
        found[name] = equal[0]
    return found


def settings_of_trial(params: Mapping[str, Any], ranges: Mapping[str, Range]) -> dict[str, Any]:
    """The settings that a trial's drawn values stand for, in the order of the ranges."""
    found: dict[str, Any] = {}
    for name, its in ranges.items():
        value = params[name]
        if isinstance(its, Choice):
            value = next(it for it in its.values if repr(_as_choice(it)) == repr(value))  # 1, 1.0 and True differ
        elif isinstance(value, float) and its.step:
            value = float(f"{value:.12g}")  # 0.3, where low plus steps gives 0.30000000000000004
        found |= values_by_key(name, value)
    return found
