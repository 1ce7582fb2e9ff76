"""Builds the parts of a run from its settings: data, model, loader and trainer."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from recbole.data.transform import construct_transform
from recbole.utils import init_seed

from recbole_cl.config.common import CommonSettings
from recbole_cl.config.config import Config
from recbole_cl.config.messages import shown
from recbole_cl.config.models import DEFAULT_DATASET, DEFAULT_MODEL, is_same_model
from recbole_cl.config.presets import read_settings
from recbole_cl.config.recboles import defaults_of, trained_by_recbole
from recbole_cl.config.settings import canonical
from recbole_cl.data.dataset import ContrastiveDataset
from recbole_cl.data.files.names import ensure_dataset_available
from recbole_cl.data.loader import TrainLoader
from recbole_cl.errors import UsageError
from recbole_cl.model.adapter import adapted
from recbole_cl.model.interface import TrainableModel
from recbole_cl.recboles.data import model_dataset
from recbole_cl.recboles.lacking import libraries_of_recbole, refuse_lacking
from recbole_cl.recboles.loader import RecBolesLoader
from recbole_cl.recboles.trainer import trainer_class
from recbole_cl.runs.folder import BEST, CONFIG, LAST, resumed_folder
from recbole_cl.runs.settings import settings_of
from recbole_cl.trainer.trainer import Trainer

_FAILURES = (ArithmeticError, LookupError, MemoryError, RuntimeError, TypeError, ValueError)  # when a model is built
_NO_MEMORY = re.compile(r"allocate memory|out of memory|overflow", re.IGNORECASE)

Data = tuple[ContrastiveDataset, tuple[ContrastiveDataset, ContrastiveDataset, ContrastiveDataset]]


def build_config(
    model: str | type | None,
    dataset: str | None,
    config_files: Sequence[str | Path] | str | Path,
    settings: Mapping[str, Any],
) -> Config:
    """The settings of a run, with the defaults of ``run``. The settings of a resumed run have the lowest rank.

    Raises:
        UsageError: If a setting is wrong, or asks for something that the loader or the trainer here cannot do.
    """
    resume = resume_asked_for(settings, config_files)
    stored = resumed_folder(resume) / CONFIG if resume else None
    files = _listed(config_files)
    given = {key for file in ([stored] if stored else []) + files for key in read_settings(file)}
    model = DEFAULT_MODEL if model is None and "model" not in given else model
    dataset = DEFAULT_DATASET if dataset is None and "dataset" not in given else dataset
    config = Config(model, dataset, files, settings, stored=stored)
    if config["log_wandb"] and find_spec("wandb") is None:
        raise UsageError("log_wandb = True: Weights & Biases is not installed; pip install wandb, or set it to False")
    if stored:
        _refuse_another_run(config, read_settings(stored))
    return config


def config_of_run(folder: Path, model: str | type | None = None, data_path: str | Path | None = None) -> Config:
    """The settings of a finished run, with the data path resolved to where the run found its data.

    A relative ``data_path`` refers to the folder in which the run was started, which is inferred from
    ``checkpoint_dir`` if possible. So a project can be moved as a whole, and its runs can be loaded from any working
    folder.

    Args:
        folder: The run folder.
        model: The class of the model, or its dotted path, if the model is neither ours nor RecBole's.
        data_path: Folder of dataset folders; None for the run's own.

    Raises:
        UsageError: If the folder holds no run, or a run of another model.
    """
    if not (folder / CONFIG).is_file():
        raise UsageError(f"{folder} is not a run folder: it has no {CONFIG}")
    stored = read_settings(folder / CONFIG)
    found = data_path or _data_path_of(folder, stored)
    config = Config(model, config_dict={"data_path": str(found)} if found else {}, stored=folder / CONFIG)
    if not is_same_model(config.model_class, str(stored.get("model"))):
        raise UsageError(f"model = {model}: {folder} holds {stored.get('model')}; leave model out, or give that one")
    return config


def _data_path_of(folder: Path, stored: Mapping[str, Any]) -> Path | None:
    """Where a run found its data, if its stored path is relative to the folder in which it was started."""
    data, runs = (Path(str(stored.get(key, "/"))) for key in ("data_path", "checkpoint_dir"))
    above = folder.resolve().parent  # <start folder>/<runs>
    if data.is_absolute() or above.parts[-len(runs.parts) :] != runs.parts:
        return None
    found = Path(*above.parts[: -len(runs.parts)], data)
    return found if (found / str(stored.get("dataset"))).is_dir() else None


def resume_asked_for(settings: Mapping[str, Any], config_files: Sequence[str | Path] | str | Path) -> str | Path | None:
    """The run folder to resume, if one is asked for.

    Args:
        settings: Settings from the command line or the caller; they override the files.
        config_files: YAML files; if several name a folder, the last one is taken.

    Returns:
        The folder as written, or None if neither names one.
    """
    asked = [read_settings(file).get("resume") for file in _listed(config_files)]
    found = settings["resume"] if "resume" in settings else next((it for it in reversed(asked) if it), None)
    if found == "" or not isinstance(found, str | Path | None):
        raise UsageError(f"resume = {shown(found)}: expected a run folder; give one, or leave it out")
    return found


def _listed(files: Sequence[str | Path] | str | Path) -> list[Path]:
    several = [files] if isinstance(files, str | Path) else files
    if not isinstance(several, list | tuple) or not all(isinstance(it, str | Path) for it in several):
        raise UsageError(f"config_files = {shown(files)}: expected a path or a list of paths")
    return [Path(file) for file in several]


def _refuse_another_run(config: Config, stored: Mapping[str, Any]) -> None:
    """Refuses to resume a run under settings that contradict its earlier epochs or its early stopping."""
    if not is_same_model(config.model_class, model := str(stored.get("model", config["model"]))):
        raise UsageError(f"model = {config['model']}: {config['resume']} began with {model}; start a new run")
    settings = config.settings_dict()
    for key in (
        "dataset",
        "seed",
        "learner",
        "ema_decay",
        "valid_metric",
        "eval_history",
        "eval_args",
        "train_on",
        "benchmark_filename",
        "complement",
        "train_users_share",
        "n_heads",  # from here on: the same weights would compute something else
        "right_aligned",
        "scale_items",
        "attend_padding",
        "layer_norm_eps",
        "filter_share",
        "filter_cutoff",
        "hidden_act",
        "extra_layers_at_inference",
        "MAX_ITEM_LIST_LENGTH",
        "transform",
    ):
        here = settings.get(key)
        if canonical(here).casefold() != canonical(stored.get(key, here)).casefold():
            raise UsageError(f"{key} = {here}: {config['resume']} began with {stored[key]}; start a new run")


def build_data(config: Config) -> Data:
    """Reads, filters and splits the dataset.

    Returns:
        The dataset, and its training, validation and test part.

    Raises:
        UsageError: If the dataset is missing or malformed, or filtering leaves nothing.
    """
    settings = settings_of(config)
    ensure_dataset_available(settings.dataset, settings.data_folder, config["benchmark_filename"])
    try:
        with warnings.catch_warnings():  # hides pandas' advice, which is for RecBole's authors
            warnings.filterwarnings("ignore", category=FutureWarning, module=r"recbole\.")
            dataset = ContrastiveDataset(config)
            train, valid, test = dataset.build()
    except UsageError:
        raise
    except (ValueError, KeyError, TypeError) as error:  # RecBole's errors for settings that do not fit the columns
        what = f"there is no {error}" if isinstance(error, KeyError) else " ".join(str(error).split())
        raise UsageError(f"{config['dataset']} can't be read with these data settings: {what}") from error
    return dataset, (train.of_first_users(settings.train_users_share), valid, test)


def build_model(config: Config, train: ContrastiveDataset) -> Any:
    """Builds the model with fresh weights from the run's seed; this resets the global random state.

    Args:
        config: The settings of the run.
        train: The training part of the dataset, which determines the model's sizes.

    Returns:
        The model, a ``TrainableModel`` on the device of the run.

    Raises:
        UsageError: If it does not fit into memory, or a RecBole model fails on its settings.
    """
    settings = settings_of(config)
    init_seed(settings.seed, settings.reproducible)
    torch.set_float32_matmul_precision(settings.float32_precision)
    refuse_lacking(config, train)
    transform = construct_transform(config)  # writes its field names into the settings, where the model reads them
    cls: Any = adapted(config.model_class)
    try:
        with libraries_of_recbole():
            model = cls(config, model_dataset(config, train)).to(settings.device)
    except _FAILURES as error:
        if isinstance(error, MemoryError) or _NO_MEMORY.search(str(error)):
            raise UsageError(_too_large(config)) from error
        if not cls.__module__.startswith("recbole."):
            raise
        what = f"{type(error).__name__}: {' '.join(str(error).split())}"  # RecBole does not check its models' values
        raise UsageError(
            f"{settings.model} can't be built with these settings ({what}); compare those that you set with RecBole's "
            f"{settings.model}.yaml"
        ) from error
    if config["transform"] == "inverse_itemseq":  # the other transforms are random, and only for training
        model.prepare = partial(transform, train)
    return model


def _too_large(config: Config) -> str:
    """Names the model sizes that exceed their defaults, as the reason why it does not fit into memory."""
    usual = defaults_of(config.model_class)
    of_models = ["MAX_ITEM_LIST_LENGTH", "train_batch_size", *(usual.keys() - CommonSettings.model_fields.keys())]
    larger = sorted(key for key in of_models if type(usual[key]) is int and config[key] > usual[key])
    what = ", ".join(f"{key} = {config[key]}" for key in larger) or config["model"]
    return f"{what}: the model needs more memory than is available; set smaller sizes"


def build_loader(config: Config, model: TrainableModel, train: ContrastiveDataset) -> Any:
    """The ``TrainLoader``, with what the model declares it needs; RecBole's loader for a model on its batches."""
    if trained_by_recbole(config):
        return RecBolesLoader(config, train, model_dataset(config, train))
    return TrainLoader(train, replace(settings_of(config).loader, hooks=model.batch_hooks))


def build_trainer(
    config: Config, model: TrainableModel, run_dir: Path, before_epoch: Callable[[int], None] = lambda epoch: None
) -> Trainer:
    """The trainer. It writes checkpoints and TensorBoard events into the run folder, which must exist."""
    settings, files = settings_of(config), {"best": run_dir / BEST, "last": run_dir / LAST, "log_dir": run_dir}
    by_recbole = trained_by_recbole(config)
    cls: type[Trainer] = trainer_class(config["MODEL_TYPE"], settings.model) if by_recbole else Trainer
    return cls(config, model, settings.trainer, settings.evaluation, **files, before_epoch=before_epoch)
