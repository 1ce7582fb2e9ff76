"""The task of a search: the settings that all trials share, and the ranges that they draw from."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recbole_cl.config.common import DataKeys
from recbole_cl.config.config import Config
from recbole_cl.config.models import model_path
from recbole_cl.config.older import todays_key, with_todays_names
from recbole_cl.config.settings import IDLE
from recbole_cl.data.fingerprint import interaction_fingerprint
from recbole_cl.errors import UsageError
from recbole_cl.runs.build import Data, build_config, resume_asked_for
from recbole_cl.runs.evaluation_rows import asks_for_none
from recbole_cl.search.files import default_ranges, read_ranges
from recbole_cl.search.ranges import Range, fitted, keys_of, limits, searched


@dataclass(frozen=True)
class Task:
    """The task of a search.

    Attributes:
        model: As for ``run``.
        dataset: Name; None for the dataset that the files name.
        files: YAML files.
        settings: Settings that all trials share.
        config: All of these, without the values of a trial.
        ranges: The ranges of these values.
    """

    model: str | type | None
    dataset: str | None
    files: Sequence[str | Path]
    settings: Mapping[str, Any]
    config: Config
    ranges: Mapping[str, Range]

    def config_of(self, values: Mapping[str, Any], resumed: Path | None = None) -> Config:
        """The settings of a trial; if a trial's folder is given, the settings to resume it with."""
        resume = {} if resumed is None else {"resume": str(resumed)}
        return build_config(self.model, self.dataset, self.files, {**self.settings, **values, **resume})

    def written(self) -> dict[str, Any]:
        """The settings that a user would write for a trial, without its values: plain ones, under today's names."""
        given = {key: it for key, it in self.config.external_config_dict.items() if key != "show_progress"}
        return given | {"model": model_path(self.config.model_class), "dataset": self.config["dataset"]}

    def data_vary(self) -> bool:
        """Whether the data depend on the trials' values."""
        return not DataKeys.model_fields.keys().isdisjoint(searched(self.ranges))

    def identity(self, data: Data) -> dict[str, Any]:
        """Everything, except its values, that determines a trial's score; all trials of a study share it."""
        values = {
            key: it for key, it in self.config.settings_dict().items() if key not in {*IDLE, *searched(self.ranges)}
        }
        ranges = {f"range of {key}": repr(its) for key, its in self.ranges.items()}
        return {**ranges, **values, "hash of all interactions": interaction_fingerprint(data[1][0])}


def prepare(
    model: str | type | None,
    dataset: str | None,
    ranges: str | Path | None,
    config_files: Sequence[str | Path] | str | Path,
    settings: Mapping[str, Any],
) -> Task:
    """Reads and checks the task.

    Args:
        model: As for ``run``.
        dataset: Name; None for the dataset that the files name.
        ranges: File of ranges; None for those that come with the model.
        config_files: YAML files.
        settings: Settings that all trials share; a setting given here is not searched, even if it has a range.

    Raises:
        UsageError: If a setting or a range is wrong, or there is nothing left to search.
    """
    files = [config_files] if isinstance(config_files, str | Path) else list(config_files)
    if resume := resume_asked_for(settings, files):
        raise UsageError(f"resume = {resume}: to resume a search that was stopped, repeat its command without resume")
    settings = {"show_progress": False, **settings}
    config = build_config(model, dataset, files, settings)
    if asks_for_none(config, "validation"):
        asked = f"train_on = {config['train_on']}, eval_args.split = {config['eval_args']['split']}"
        raise UsageError(f"{asked}: a search compares trials by their validation; leave a part of the data for it")
    file = default_ranges(config.model_class) if ranges is None else Path(ranges)
    known = config.settings_dict()
    found = _not_given(_with_todays_names(read_ranges(file), known, file), with_todays_names(settings, known), file)
    found = fitted(found, config.model_class, str(file))
    task = Task(model, dataset, files, settings, config, found)
    for name, its in found.items():
        for key, value in limits(name, its):
            if key not in known:
                task.config_of({key: value})  # refuses a misspelt name
                raise UsageError(f"{file}: {key} can't be searched under this older name: docs/settings.md has today's")
    return task


def _with_todays_names(ranges: Mapping[str, Range], known: Collection[str], file: Path) -> dict[str, Range]:
    found: dict[str, Range] = {}
    for name, its in ranges.items():
        keys = [todays_key(key, known) for key in keys_of(name)]
        if twice := next((key for key in keys if keys.count(key) > 1 or key in searched(found)), None):
            raise UsageError(f"{file}: {name}: {twice} has a range already, perhaps under another name; give it one")
        found[", ".join(keys)] = its
    return found


def _not_given(ranges: Mapping[str, Range], given: Collection[str], file: Path) -> dict[str, Range]:
    found: dict[str, Range] = {}
    for name, its in ranges.items():
        fixed = [key for key in keys_of(name) if key in given]
        if fixed and fixed != keys_of(name):
            raise UsageError(f"{', '.join(fixed)} is set, and {file} chooses {name} together: set all of them, or none")
        if not fixed:
            found[name] = its
    if not found:
        raise UsageError(f"{file}: all settings with a range in it are set; leave one of these settings out")
    return found
