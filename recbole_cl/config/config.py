"""RecBole's ``Config`` with our models and presets, and without silent mistakes."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from copy import deepcopy
from importlib import metadata
from pathlib import Path
from typing import Any

import recbole
import torch

from recbole_cl.config.beside_data import refuse_code_beside_data, refuse_other_than_data
from recbole_cl.config.common import COMMON, WITHOUT_EFFECT, CommonSettings
from recbole_cl.config.defaults import SWITCH, as_recbole, unlike_recbole
from recbole_cl.config.foreign import drop_foreign, drop_harmless, looks_misspelt
from recbole_cl.config.known import keys_by_model, keys_of_ours
from recbole_cl.config.messages import shown
from recbole_cl.config.models import model_class as find_model_class
from recbole_cl.config.models import model_path, own_models, recbole_has
from recbole_cl.config.numpy_names import add_removed_names
from recbole_cl.config.older import DONE_ANYWAY, drop_what_is_done_anyway, older_names, with_todays_names
from recbole_cl.config.per_model import for_model
from recbole_cl.config.presets import (
    SettingsLoader,
    experiment_preset,
    line_of,
    merge_settings,
    model_presets,
    props_dir,
    read_settings,
)
from recbole_cl.config.recboles import complete, is_ours, recboles_settings, undeclared_keys
from recbole_cl.config.recboles_config import (
    RecBoleConfig,
    dataset_arguments,
    evaluation_arguments,
    general_arguments,
    training_arguments,
)
from recbole_cl.config.settings import check_settings, listed, settings_class
from recbole_cl.config.suggestions import refuse_unknown
from recbole_cl.config.values import is_folder_name, plain, without_none_texts
from recbole_cl.distributed.processes import local_place, own_gpu
from recbole_cl.errors import UsageError
from recbole_cl.registry import is_path, name_paths

RECBOLE_VERSION = "1.2.1"

_VISIBLE = "CUDA_VISIBLE_DEVICES"
_visible_before: dict[str, str] = {}  # what RecBole last wrote to CUDA_VISIBLE_DEVICES -> its value before that


class Config(RecBoleConfig):
    """All settings of a run, merged, checked and completed.

    From weak to strong: RecBole's own files; our ``props/overall.yaml``, the model's files (``model_presets``) and
    ``props/dataset/<dataset>.yaml``; ``<dataset>.yaml`` beside the data; ``props/experiment/<Model>-<dataset>.yaml``;
    the stored settings; the given files in order; the given mapping. ``eval_args`` are merged entry by entry, every
    other setting as a whole. The command line is not read.

    A dotted path in the given model, files or mapping may import code. A path in the stored settings, or in YAML beside
    the data, may not (``recbole_cl/registry.py``).

    Args:
        model: Name, case-insensitive; the dotted path of a class; or a class. None if the settings name it.
        dataset: Name; None if the settings name it.
        config_file_list: YAML files.
        config_dict: Settings, of plain types.
        stored: The settings that a run has stored, or the YAML file with them.

    Raises:
        UsageError: If the RecBole version is not supported, or the model, a setting or a value is unknown or wrong.
    """

    def __init__(
        self,
        model: str | type | None = None,
        dataset: str | None = None,
        config_file_list: Sequence[str | Path] | None = None,
        config_dict: Mapping[str, Any] | None = None,
        *,
        stored: str | Path | Mapping[str, Any] | None = None,
    ) -> None:
        _check_recbole_version()
        self._sources: list[tuple[str, dict[str, Any]]] = []  # name and settings, from weak to strong
        self._beside: tuple[str, dict[str, Any]] = ("", {})  # YAML beside the data
        self._stored = stored
        self._presets: list[tuple[str, dict[str, Any]]] = []
        name_paths(model)
        super().__init__(model, dataset, config_file_list, config_dict)

    def settings_dict(self) -> dict[str, Any]:
        """Returns the settings that a user would write to repeat this run, model and dataset included.

        Written to a YAML file, they build an equal ``Config(config_file_list=[file])``. They are the settings as given:
        no derived values, and no paths that were not given.

        Returns:
            Key -> value of a plain type.
        """
        return deepcopy(self._settings)

    def knows(self, key: str) -> bool:
        """Whether a run of this model reads the setting, under today's name or an older one."""
        return key in self._known or key in older_names(self._known)

    def known_among(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The settings that a run of this model reads, under today's names."""
        return with_todays_names({key: it for key, it in values.items() if self.knows(key)}, self._known)

    def unlike_recbole(self) -> str:
        """The settings that differ from those of RecBole's command, in one line; none for models only we have."""
        theirs = self.model_class.__module__.startswith("recbole.") or recbole_has(self.model)
        given: dict[str, Any] = {}
        for _, values in [self._beside, *self._sources]:
            merge_settings(given, values)
        return unlike_recbole(self._settings, self._theirs, given) if theirs else ""

    def compatibility_settings(self) -> None:
        """Adds numpy's old names that RecBole uses, where they are missing."""
        add_removed_names()

    def _init_parameters_category(self) -> None:
        # Copies: RecBole appends to these lists, which are shared by the whole process.
        self.parameters = {
            "General": [*general_arguments],
            "Training": [*training_arguments],
            "Evaluation": [*evaluation_arguments],
            "Dataset": [*dataset_arguments],
        }

    def _build_yaml_loader(self) -> type[SettingsLoader]:
        return SettingsLoader

    def _load_config_files(self, file_list: Sequence[str | Path] | str | Path | None) -> dict[str, Any]:
        files = [file_list] if isinstance(file_list, str | Path) else list(file_list or [])
        self._load_stored()
        for file in files:
            values = _read(file)
            name_paths(values)
            self._sources.append((str(file), values))
        return self._merged_sources()

    def _load_stored(self) -> None:
        of_a_file = isinstance(self._stored, str | Path)
        values = _read(self._stored) if isinstance(self._stored, str | Path) else dict(self._stored or {})
        kept = {key: value for key, value in values.items() if key not in WITHOUT_EFFECT}  # which 0.1.0 took
        if "anchors_per_row" in kept:
            kept.setdefault("anchor_draw", "per_row")  # the only one that 0.1.0 had
        self._sources.append((str(self._stored) if of_a_file else "", kept))

    def _load_variable_config_dict(self, config_dict: Mapping[str, Any] | None) -> dict[str, Any]:
        values = {key: plain(key, value) for key, value in (config_dict or {}).items()}
        name_paths(values)
        self._sources.append(("", values))
        return values

    def _merged_sources(self) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        for _, values in self._sources:
            merge_settings(merged, values)
        return merged

    def _load_cmd_line(self) -> dict[str, Any]:
        return {}

    def _merge_external_config_dict(self) -> None:
        self.external_config_dict = self._merged_sources()

    def _get_model_and_dataset(self, model: str | type | None, dataset: str | None) -> tuple[str, Any, str]:
        model = self.external_config_dict.get("model") if model is None else model
        dataset = self.external_config_dict.get("dataset") if dataset is None else dataset
        if model is None:
            raise UsageError(f"no model: give one of {', '.join(own_models())}")
        if not isinstance(dataset, str) or not is_folder_name(dataset):
            raise UsageError(f"dataset = {shown(dataset)}: expected the name of a folder under data_path, e.g. ml-100k")
        model_class = find_model_class(model if isinstance(model, type) else str(model))
        return model_class.__name__, model_class, dataset

    def _load_internal_config_dict(self, model: str, model_class: Any, dataset: str) -> None:
        # Use RecBole's file for RecBole's own class: it has files for some models that we replace, such as SASRec.
        theirs = next(cls.__name__ for cls in model_class.__mro__ if cls.__module__.startswith("recbole."))
        super()._load_internal_config_dict(theirs, model_class, dataset)
        self._theirs = deepcopy({key: it for key, it in self.internal_config_dict.items() if key != "MODEL_TYPE"})
        self.internal_config_dict.update(undeclared_keys(model_class))
        self._recboles = {**self._theirs, **undeclared_keys(model_class)}
        for preset in (props_dir() / "overall.yaml", *model_presets(model_class)):
            self._load_preset(preset)
        self._load_preset(props_dir() / "dataset" / f"{dataset}.yaml")
        self._take_todays_names()
        data_path = {**self.internal_config_dict, **self.external_config_dict}["data_path"]
        beside = Path(str(data_path), dataset, f"{dataset}.yaml")
        if beside.is_file():
            values = with_todays_names(_read(beside), self._known)
            self._beside = str(beside), values
            refuse_code_beside_data(beside, values)
            refuse_other_than_data(beside, values.keys() & self._known)
            merge_settings(self.internal_config_dict, values)
        self._load_preset(experiment_preset(model_class, dataset))

    def _take_todays_names(self) -> None:
        own = settings_class(self.model_class)
        known = {"model", "dataset", *COMMON, *own.model_fields, *self._recboles}
        if "recommendation_loss" in own.model_fields:
            known |= DONE_ANYWAY
        self._known = known
        of_files = [(it, for_model(values, self.model, it) if it else values) for it, values in self._sources]
        self._sources = [(source, with_todays_names(values, known)) for source, values in of_files]
        reads_any = not own.model_fields and not self.model_class.__module__.startswith("recbole.")
        for source, values in self._sources:
            drop_harmless(values, of_recbole=not is_ours(self.model_class))
            if source or reads_any:
                drop_foreign(source, values, known | older_names(known), keys_of_ours, keep=reads_any)
        if reads_any:  # a class written for RecBole: only its code knows which settings it reads
            far = {key for _, values in self._sources for key in values if not looks_misspelt(key, known)}
            self._known = known | far
        self.external_config_dict = self._merged_sources()

    def _load_preset(self, path: Path) -> None:
        if path.is_file():
            values = read_settings(path)
            name_paths(values)  # in a file of this package, or of a class that the caller has named
            if self.external_config_dict.get(SWITCH) is True:
                values = as_recbole(values, self._recboles)
            self._presets.append((str(path), values))
            merge_settings(self.internal_config_dict, values)

    def _get_final_config_dict(self) -> dict[str, Any]:
        model_type = self.internal_config_dict.pop("MODEL_TYPE")
        refuse_unknown([*self._presets, self._beside, *self._sources], self._known, self.model, keys_by_model)
        values = merge_settings(deepcopy(self.internal_config_dict), self.external_config_dict)
        values.update(model=self.model, dataset=self.dataset)
        own = settings_class(self.model_class)
        for cls in (CommonSettings, own):
            without_none_texts(values, cls)
        if "recommendation_loss" in own.model_fields:
            drop_what_is_done_anyway(values)
        complete(values, self.model_class, {*self.external_config_dict, *self._beside[1]})
        theirs = recboles_settings(self.model_class)
        try:
            check_settings(values, own, theirs, of_recbole=not is_ours(self.model_class))
        except UsageError as error:
            raise UsageError(f"{self._origin(str(error))}{error}") from None
        self._settings = deepcopy(values)
        self._settings["model"] = model_path(self.model_class)
        self._settings.pop("valid_metric_bigger", None)  # RecBole derives it from valid_metric
        return {**values, "MODEL_TYPE": model_type}

    def _set_default_parameters(self) -> None:
        values = self.final_config_dict  # RecBole knows only its own metrics
        values["own_metrics"] = [metric for metric in listed(values["metrics"]) if is_path(metric)]
        values["metrics"] = [metric for metric in listed(values["metrics"]) if not is_path(metric)]
        try:
            super()._set_default_parameters()
        except (ValueError, TypeError, NotImplementedError, RuntimeError) as error:  # RecBole's words for a bad setting
            raise UsageError(str(error)) from error

    def _origin(self, message: str) -> str:
        """Where a refused value comes from, if from a user's file: "mine.yaml, line 3: "; else empty."""
        key = message.split(" ")[0].split(".")[0]
        source = next((name for name, values in reversed([self._beside, *self._sources]) if key in values), "")
        return f"{source}{line_of(key, source)}: " if source else ""

    def _init_device(self) -> None:
        place = local_place()
        gpu_id = self.final_config_dict["gpu_id"]
        visible = os.environ.get(_VISIBLE, ",".join(map(str, range(place.size))))
        visible = _visible_before.get(visible, visible)  # ignore what an earlier run of this process asked for
        if gpu_id == "visible":
            self.final_config_dict["gpu_id"] = visible
        elif gpu_id is None or isinstance(gpu_id, list):
            self.final_config_dict["gpu_id"] = tuple(gpu_id or ())  # RecBole joins these with commas
        if place.size > 1 and self.final_config_dict["use_gpu"]:
            self.final_config_dict["gpu_id"] = own_gpu(self.final_config_dict["gpu_id"], place)
        super()._init_device()
        _visible_before.clear()
        _visible_before[os.environ[_VISIBLE]] = visible
        if not self.final_config_dict["use_gpu"]:  # RecBole would take a GPU anyway
            self.final_config_dict["device"] = torch.device("cpu")


def _check_recbole_version() -> None:
    try:
        version = metadata.version("recbole")
    except metadata.PackageNotFoundError:  # imported from a source tree
        version = recbole.__version__
    if version != RECBOLE_VERSION:
        raise UsageError(
            f"RecBole {version} is installed: this plugin needs {RECBOLE_VERSION}, whose internals it extends"
        )


def _read(file: str | Path) -> dict[str, Any]:
    """Reads a user's own file; its values are subject to the same limits as all others."""
    return {key: plain(f"{file}: {key}", value) for key, value in read_settings(file).items()}
