"""The runs of a suite in order, each with checked settings and its own folder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

from recbole_cl.config.config import Config
from recbole_cl.config.per_model import for_model
from recbole_cl.config.presets import merge_settings, read_settings
from recbole_cl.config.settings import measured_metrics
from recbole_cl.data.files.names import ensure_dataset_available
from recbole_cl.errors import UsageError
from recbole_cl.evaluation.significance import computable_from_ranks
from recbole_cl.runs.build import build_config
from recbole_cl.runs.evaluation_rows import asks_for_none
from recbole_cl.runs.settings import settings_of
from recbole_cl.suites.folders import RunFolders
from recbole_cl.suites.schema import Suite, Variant

# Settings of a run that a suite has keys of its own for.
_OF_THE_SUITE = {"model": "variants", "dataset": "datasets", "seed": "seeds"}


@dataclass(frozen=True)
class Choice:
    """The selected parts of a suite, and settings that override it; empty selects all, and overrides nothing.

    Attributes:
        datasets: Some of the suite's.
        variants: Some of the suite's.
        seeds: Instead of the suite's; a number N means its first seed and the N - 1 after it.
        settings: Override everything in the suite; each run uses those that its model knows.
    """

    datasets: Sequence[str] = ()
    variants: Sequence[str] = ()
    seeds: Sequence[int] | int = ()
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PlannedRun:
    """One run of a suite.

    Attributes:
        variant: Name of the variant.
        label: Its name in the table: the variant, and the swept value if there is one.
        dataset: Name of the dataset.
        seed: Its seed.
        model: Name or dotted path of the model.
        settings: The given settings, seed included.
        data_folder: The dataset's own folder.
        folder: The run folder, which need not exist.
    """

    variant: str
    label: str
    dataset: str
    seed: int
    model: str
    settings: Mapping[str, Any]
    data_folder: Path
    folder: Path

    def __str__(self) -> str:
        return f"{self.label}, {self.dataset}, seed {self.seed}"


@dataclass(frozen=True)
class _Line:
    """One line of the table on one dataset: the part that all its seeds share."""

    variant: str
    label: str
    dataset: str
    model: str
    settings: dict[str, Any]
    config: Config


def plan(suite: Suite, choice: Choice = Choice()) -> list[PlannedRun]:
    """The runs of a suite, seed by seed: every line gets its first seed before any line gets its second.

    If a folder in the same ``checkpoint_dir`` already holds a run with the same settings, whatever made it, the run
    uses that folder.

    Args:
        suite: The suite.
        choice: The selected parts.

    Returns:
        The runs, in the order in which they are done.

    Raises:
        UsageError: The message lists every wrong name of the choice, model and setting.
    """
    seeds = choice.seeds or suite.seeds
    if isinstance(seeds, int):
        seeds = range(suite.seeds[0], suite.seeds[0] + seeds)
    if len(set(seeds)) < len(seeds):
        raise UsageError(f"seeds {list(seeds)}: a seed is given twice; each gives one run")
    lines = _lines(suite, choice)
    folders = RunFolders()
    return [_planned(line, seed, folders) for seed in seeds for line in lines]


def refuse_missing_data(runs: Sequence[PlannedRun]) -> None:
    """Refuses a plan with a dataset that is missing and cannot be downloaded.

    Raises:
        UsageError: For all such datasets together.
    """
    problems = []
    for folder, dataset in dict.fromkeys((run.data_folder, run.dataset) for run in runs):
        try:
            ensure_dataset_available(dataset, folder)
        except UsageError as error:
            problems.append(str(error))
    if problems:
        some = sorted({run.dataset for run in runs if (run.data_folder / f"{run.dataset}.inter").is_file()})
        hint = f" | or leave them out: --datasets {' '.join(some)}" if some else ""
        raise UsageError(f"{' | '.join(problems)}{hint}")


def _lines(suite: Suite, choice: Choice) -> list[_Line]:
    datasets = _chosen("datasets", choice.datasets, suite.datasets)
    variants = _chosen("variants", choice.variants, suite.variants)
    models = {name: suite.variants[name].model or name for name in variants}
    problems = _misplaced(suite, choice)
    bare = _bare_configs(models, next(iter(datasets)), problems)
    _tell_unknown(suite, choice, datasets, bare, problems)
    lines: list[_Line] = []
    for dataset, name in product(datasets, variants):
        variant = suite.variants[name]
        if name not in bare or dataset not in (variant.datasets or [dataset]):
            continue
        shared = bare[name].known_among(_common(suite, dataset, bare[name].model))
        strongest = bare[name].known_among(choice.settings)
        if swept := sorted(strongest.keys() & _swept(variant)):
            problems.append(f"{', '.join(swept)}: {name} sweeps it, so that it can't be set for all runs; leave it out")
        for label, own in _points(name, variant, bare[name].model):
            values = merge_settings(merge_settings(deepcopy(shared), own), strongest)
            try:
                config = build_config(models[name], dataset, (), values)
                _refuse_empty_columns(suite, config)
            except UsageError as error:
                problems.append(f"{label}: {error}")
                continue
            if any((label, dataset) == (line.label, line.dataset) for line in lines):
                problems.append(f"{label}: two lines have this name; sweep each value once")
            lines.append(_Line(name, label, dataset, models[name], values, config))
    if problems:
        raise UsageError(" | ".join(dict.fromkeys(problems)))
    if not lines:
        raise UsageError(f"{', '.join(variants)}: not run on {', '.join(datasets)} in this suite; choose others")
    return lines


def _chosen(what: str, wanted: Sequence[str], there: Mapping[str, Any]) -> list[str]:
    if unknown := [name for name in wanted if name not in there]:
        raise UsageError(f"{what} = {', '.join(unknown)}: the suite has {', '.join(there)}")
    return [name for name in there if name in wanted] if wanted else list(there)


def _common(suite: Suite, dataset: str, model: str) -> dict[str, Any]:
    """The settings of all runs of a model on a dataset."""
    values = _of_files(suite.config_files, model)
    merge_settings(values, {**suite.settings, "eval_history": suite.eval_history})
    return merge_settings(values, suite.datasets[dataset])


def _of_files(files: Sequence[str], model: str) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for file in files:
        merge_settings(values, for_model(read_settings(file), model, file))
    return values


def _bare_configs(models: Mapping[str, str], dataset: str, problems: list[str]) -> dict[str, Config]:
    """For each variant, the settings of its model alone; they show which settings the model knows."""
    found: dict[str, Config] = {}
    by_model: dict[str, Config] = {}
    for name, model in models.items():
        try:
            found[name] = by_model[model] = by_model.get(model) or build_config(model, dataset, (), {})
        except UsageError as error:
            problems.append(f"{name}: {error}")
    return found


def _tell_unknown(
    suite: Suite, choice: Choice, datasets: Sequence[str], bare: Mapping[str, Config], problems: list[str]
) -> None:
    """Reports settings for all runs that no model of the suite knows, and chosen ones that no chosen model knows."""
    models = {it.model for it in bare.values()}
    unknown = {key: it[key] for it in _shared(suite, datasets, models) for key in it if not _known(key, bare)}
    if unknown:  # perhaps settings of variants that were not chosen
        left_out = {name: it.model or name for name, it in suite.variants.items() if name not in bare}
        others = _bare_configs(left_out, next(iter(datasets)), [])
        unknown = {key: value for key, value in unknown.items() if not _known(key, others)}
    unknown |= {key: value for key, value in choice.settings.items() if not _known(key, bare)}
    if unknown and bare:
        one = next(iter(bare.values()))
        try:
            build_config(one.model_class, one["dataset"], (), unknown)  # its error says what was meant
        except UsageError as error:
            problems.append(str(error))


def _shared(suite: Suite, datasets: Sequence[str], models: Iterable[str]) -> Iterator[dict[str, Any]]:
    return (_common(suite, dataset, model) for dataset, model in product(datasets, models))


def _known(key: str, bare: Mapping[str, Config]) -> bool:
    return any(one.knows(key) for one in bare.values())


def _misplaced(suite: Suite, choice: Choice) -> list[str]:
    """What is wrong with settings that the suite itself decides: they would have no effect, or contradict its table."""
    shared = [suite.settings, *suite.datasets.values(), choice.settings]
    given = [*shared, *({**it.settings, **dict.fromkeys(_swept(it))} for it in suite.variants.values())]
    found = [
        f"{key} is no setting of a suite's runs: choose it by {own}"
        for key, own in _OF_THE_SUITE.items()
        if any(key in it for it in given)
    ]
    if any("eval_history" in it for it in shared):
        found.append("eval_history belongs at the top of the suite's file, since its table depends on it")
    return found


def _refuse_empty_columns(suite: Suite, config: Config) -> None:
    """Refuses columns of the table that a run would have no figures for."""
    measured = [metric.lower() for metric in measured_metrics(config.settings_dict())]
    for metric in suite.metrics:
        if not computable_from_ranks(metric) and metric not in measured:
            raise UsageError(f"metrics = {metric}: runs measure {', '.join(measured)}; add it to settings.metrics")
    if asks_for_none(config, "test"):
        raise UsageError("no part of the data is left for the test, which the table is made of")


def _swept(variant: Variant) -> set[str]:
    return {key for keys in variant.sweeps for key in keys.split(", ")}


def _points(name: str, variant: Variant, model: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Label and settings of a variant, or of each of its swept values."""
    own = merge_settings(_of_files(variant.config_files, model), variant.settings)
    if not variant.sweeps:
        yield name, own
    for key, values in variant.sweeps.items():
        for value in values:
            yield f"{name} ({key}={_text(value)})", {**own, **dict.fromkeys(key.split(", "), value)}


def _text(value: Any) -> str:
    return "+".join(map(str, value)) if isinstance(value, list) else str(value)


def _planned(line: _Line, seed: int, folders: RunFolders) -> PlannedRun:
    typed = settings_of(line.config)
    all_settings = line.config.settings_dict() | {"seed": seed}
    return PlannedRun(
        line.variant,
        line.label,
        line.dataset,
        seed,
        line.model,
        {**line.settings, "seed": seed},
        typed.data_folder,
        folders.of(all_settings, typed.folders, f"{typed.model}-{line.dataset}-{seed}"),
    )
