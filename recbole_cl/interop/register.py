"""``register()``: RecBole's entry points accept our models, and work with current libraries.

This is the only place where RecBole is modified, and only when the function is called.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from importlib import import_module
from logging import getLogger
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import recbole.trainer.trainer as recboles_trainer
import recbole.utils.utils as recboles_utils
import torch
from recbole.config import Config as RecBoleConfig

from recbole_cl.config.common import COMMON, CommonSettings
from recbole_cl.config.config import Config
from recbole_cl.config.models import MODELS, model_class
from recbole_cl.config.older import with_todays_names
from recbole_cl.config.per_model import for_model
from recbole_cl.config.presets import model_defaults
from recbole_cl.config.settings import settings_class
from recbole_cl.interop.checkpoints import read_checkpoint
from recbole_cl.interop.names import ModelName
from recbole_cl.interop.quick_start import load_data_and_model
from recbole_cl.interop.trainer import EpochTrainer
from recbole_cl.model.base import EncoderRecommender
from recbole_cl.model.reading import refuse_sampled_targets
from recbole_cl.registry import is_path, name_paths

_QUICK_START = "recbole.quick_start.quick_start"
_READ_BESIDES = {"model", "dataset", "encoding", "tail_ratio"}  # keys that RecBole reads, but has in none of its files
_done: list[str] = []


def register() -> list[str]:
    """Makes RecBole's entry points work with our models, by name and by class, in this process.

    ``run_recbole``, ``objective_function``, ``load_data_and_model`` (for RecBole's checkpoints and the ``best.pth`` of
    our runs), ``get_model``, ``get_trainer`` and ``Config`` then know our models. Call it before RecBole's
    ``quick_start`` is imported. A plain name that RecBole also has, such as ``SASRec``, still means RecBole's model; a
    class is always the given one. A second call does nothing.

    Returns:
        The fixes made to RecBole for the installed libraries; they are also logged.
    """
    if not _done:
        _take_our_models()
        notes = [_mend_numpy(), _mend_checkpoints(), _mend_quick_start()]
        _done.extend(["RecBole takes our models", *filter(None, notes)])
        getLogger("recbole_cl").warning(f"recbole_cl.register(): {'; '.join(_done)}")
    return _done[1:]


def _take_our_models() -> None:
    config: Any = RecBoleConfig
    config._get_model_and_dataset = _with_class(config._get_model_and_dataset)
    config._load_internal_config_dict = _with_presets(config._load_internal_config_dict)
    getters = {"get_model": _get_model, "get_trainer": _get_trainer(recboles_utils.get_trainer)}
    for module in ("recbole.utils.utils", "recbole.utils", "recbole.config.configurator"):
        _replace(module, getters)


def _with_class(original: Callable[..., Any]) -> Callable[..., Any]:
    def get_model_and_dataset(self: Any, model: Any, dataset: Any) -> Any:
        name, cls, dataset = original(self, model, dataset)
        return (name if isinstance(self, Config) else ModelName(cls)), cls, dataset

    return get_model_and_dataset


def _with_presets(original: Callable[..., Any]) -> Callable[..., Any]:
    def load_internal_config_dict(self: Any, model: str, cls: type, dataset: str) -> None:
        original(self, model, cls, dataset)
        if isinstance(self, Config) or not issubclass(cls, EncoderRecommender):
            return
        own = settings_class(cls).model_fields
        self.file_config_dict = for_model(self.file_config_dict, model, "config_file_list")
        self._merge_external_config_dict()
        self.external_config_dict = with_todays_names(self.external_config_dict, {*own, *COMMON})
        refuse_sampled_targets({"train_neg_sample_args": None} | self.external_config_dict, model)
        ours = CommonSettings.model_fields.keys() - self.internal_config_dict.keys() - _READ_BESIDES
        if idle := sorted(ours & self.external_config_dict.keys()):
            getLogger("recbole_cl").warning(f"RecBole's trainer and loader lack {', '.join(idle)}: use recbole_cl.run")
        presets = {key: value for key, value in model_defaults(cls).items() if key in own}
        self.internal_config_dict.update(presets, train_neg_sample_args=None)

    return load_internal_config_dict


def _get_model(model_name: str) -> Any:
    """RecBole's ``get_model``, with our models; an unknown name is not reported as a missing LightGBM."""
    if isinstance(model_name, ModelName):
        return model_name.model_class
    if module := _recboles_module(model_name):
        return getattr(import_module(module), model_name)
    if MODELS.find(model_name) or is_path(model_name):
        name_paths(model_name)
        return model_class(model_name)
    raise ValueError(f"`model_name` [{model_name}] is not the name of an existing model.")


def _recboles_module(name: str) -> str | None:
    """The module of RecBole's model of this name; importing its packages would import all models, and LightGBM."""
    package = Path(str(recboles_utils.__file__)).parents[1]
    files = sorted(package.glob(f"model/*/{name.lower()}.py")) if name.isidentifier() else []
    return f"recbole.model.{files[0].parent.name}.{files[0].stem}" if files else None


def _get_trainer(original: Callable[..., Any]) -> Callable[..., Any]:
    def get_trainer(model_type: Any, model_name: str) -> Any:
        known = isinstance(model_name, ModelName) or not _recboles_module(model_name)
        cls = _get_model(model_name) if known else object
        return EpochTrainer if issubclass(cls, EncoderRecommender) else original(model_type, model_name)

    return get_trainer


def _mend_numpy() -> str:
    """RecBole's ``Config`` reads names that numpy 2 has removed; our ``Config`` restores those that RecBole uses."""
    if "float_" in vars(np):
        return ""
    RecBoleConfig.compatibility_settings = Config.compatibility_settings
    return "numpy 2 has the old names that RecBole uses"


def _mend_checkpoints() -> str:
    recboles_trainer.torch = _SafeTorch()
    return "its checkpoints are read with torch's weights_only"


class _SafeTorch(ModuleType):
    """Torch for RecBole's trainer, whose ``torch.load(file)`` fails on its own checkpoints since torch 2.6."""

    def __init__(self) -> None:
        super().__init__("torch")

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)

    @staticmethod
    def load(file: str | Path, map_location: Any = None) -> dict[str, Any]:
        return read_checkpoint(file, map_location)


def _mend_quick_start() -> str:
    missing = not _imports("ray")
    with _ray_stand_in() if missing else nullcontext():
        import_module(_QUICK_START)
    _replace(
        _QUICK_START,
        {
            "get_model": _get_model,
            "get_trainer": recboles_utils.get_trainer,
            "load_data_and_model": load_data_and_model,
        },
    )
    _replace("recbole.quick_start", {"load_data_and_model": load_data_and_model})
    return "quick_start works without ray, whose tune.report() does nothing" if missing else ""


def _imports(name: str) -> bool:
    """Whether a module can be imported: that of RecBole's ray can't beside setuptools 81 and later."""
    try:
        import_module(name)
    except ImportError:
        return False
    return True


@contextmanager
def _ray_stand_in() -> Iterator[None]:
    """A temporary ``ray`` module with which ``quick_start`` can be imported; no other code sees it."""
    stand_in: Any = ModuleType("ray")
    stand_in.tune = SimpleNamespace(report=lambda *_, **__: None)
    sys.modules["ray"] = stand_in
    try:
        yield
    finally:
        del sys.modules["ray"]


def _replace(module: str, values: dict[str, Any]) -> None:
    vars(import_module(module)).update(values)
