"""The one place where dataset, model, loader and trainer meet: ``run`` and ``load``."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from logging import getLogger
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from recbole.utils import InputType, init_seed
from tabulate import tabulate

from recbole_cl.config import Config
from recbole_cl.data.check import check_atomic_file, ensure_dataset_available
from recbole_cl.data.dataloader import LoaderSettings, TrainLoader
from recbole_cl.data.dataset import ContrastiveDataset
from recbole_cl.data.fingerprint import item_fingerprint, target_fingerprint
from recbole_cl.data.rows import require_rows, rows_of
from recbole_cl.environment import describe_environment
from recbole_cl.errors import UsageError
from recbole_cl.evaluation.ranks import EvaluationRows, evaluation_rows
from recbole_cl.evaluation.recommend import HistoryProtocol, best_items
from recbole_cl.files import atomic_write_json, atomic_write_text, atomic_writer
from recbole_cl.logs import logging_to
from recbole_cl.pretraining import complement_of
from recbole_cl.props_files import read_settings
from recbole_cl.report.store import RANK_FILES, EvalProtocol
from recbole_cl.run_folder import (
    BEST,
    CONFIG,
    LAST,
    gone_if_useless,
    new_folder,
    resumed_folder,
    usable_when_interrupted,
)
from recbole_cl.settings import DEFAULT_DATASET, DEFAULT_MODEL
from recbole_cl.trainer.checkpoint import load_checkpoint
from recbole_cl.trainer.trainer import Trainer

PROTOCOLS: dict[EvalProtocol, str] = {
    "history_kept": "keep",
    "history_removed": "remove",
}  # name in results -> value of eval_history

Data = tuple[ContrastiveDataset, tuple[ContrastiveDataset, ContrastiveDataset, ContrastiveDataset]]


@dataclass(frozen=True)
class RunResult:
    """What a finished run measured; all but the folder is in its ``result.json``.

    Attributes:
        best_epoch: Epoch of the tested weights, from 0; -1 if no epoch was run.
        epochs_run: Epochs trained, those before a resumption included.
        seconds: Time spent on ``data``, ``train`` and ``evaluate``.
        valid: Metrics of the best epoch on the validation items, under the protocol of ``eval_history``.
        test: Metrics on the test items, with the user's history kept in the ranking and removed from it.
        targets: Hash of the test users and their targets, in the order of the stored ranks.
        run_dir: The run folder.
    """

    model: str
    dataset: str
    seed: int
    train_form: str
    best_epoch: int
    epochs_run: int
    seconds: Mapping[str, float]
    valid: Mapping[str, float]
    test: Mapping[str, Mapping[str, float]]
    targets: str
    run_dir: Path

    def table(self) -> str:
        """Test metrics as a text table, one line per protocol."""
        names = list(next(iter(self.test.values())))
        lines = [[protocol.replace("_", " "), *values.values()] for protocol, values in self.test.items()]
        return tabulate(lines, headers=[f"{self.model}, {self.dataset}", *names], floatfmt=".4f")


@dataclass(frozen=True)
class LoadedRun:
    """A trained model with all that is needed to use it.

    Attributes:
        config: The run's settings.
        model: With the weights of the best epoch, in eval mode.
        dataset: The whole dataset; maps ids to the user's own tokens and back.
        splits: Training, validation and test part.
    """

    config: Config
    model: Any
    dataset: ContrastiveDataset
    splits: tuple[ContrastiveDataset, ContrastiveDataset, ContrastiveDataset]

    def recommend(
        self, users: Sequence[str], k: int = 10, *, history: HistoryProtocol = "remove"
    ) -> list[list[tuple[str, float]]]:
        """The best items for users by their own tokens, with scores: see ``evaluation/recommend.py``."""
        return best_items(self.model, self.dataset, users, k, history)


def run(
    model: str | None = None,
    dataset: str | None = None,
    *,
    config_files: Sequence[str | Path] | str | Path = (),
    **settings: Any,
) -> RunResult:
    """Trains a model with early stopping, tests it under both history protocols, and leaves a run folder.

    Args:
        model: One of ours, or a sequential model of RecBole's; None for that of the files, or else DuoRec.
        dataset: Name of a folder of atomic files under ``data_path``, or of a dataset that RecBole downloads; None for
            that of the files, or else ml-100k.
        config_files: YAML files, later ones first in rank; or one.
        **settings: Any setting, above the files. With ``resume``, the settings of the resumed run lie below all others.

    Returns:
        The measurements.

    Raises:
        UsageError: If a setting or the data is wrong; nothing has been trained then.
    """
    config = build_config(model, dataset, config_files, settings)
    if config["resume"]:
        run_dir = resumed_folder(config["resume"])
    else:
        run_dir = new_folder(Path(config["checkpoint_dir"]), config["model"], config["dataset"], config["seed"])
    with gone_if_useless(run_dir), logging_to(run_dir / "log.txt", config["state"]), usable_when_interrupted(run_dir):
        return _run(config, run_dir)


def run_seeds(
    model: str | None,
    dataset: str | None,
    seeds: Sequence[int],
    *,
    config_files: Sequence[str | Path] | str | Path = (),
    **settings: Any,
) -> list[RunResult]:
    """Trains the same run under several seeds, one folder each.

    Args:
        model: As for ``run``.
        dataset: As for ``run``.
        seeds: The seeds, each once.
        config_files: As for ``run``.
        **settings: As for ``run``.

    Returns:
        One result per seed.

    Raises:
        UsageError: As ``run``, or if a seed is given twice.
    """
    if len(set(seeds)) < len(seeds):
        raise UsageError(f"seeds {list(seeds)} has a seed twice: each seed gives one run")
    if resume := _resume(settings, config_files):
        raise UsageError(f"resume = {resume}: one run goes on, with its own seed; leave the seeds out")
    settings_of_each = [settings | {"seed": seed} for seed in seeds]
    for each in settings_of_each:
        build_config(model, dataset, config_files, each)  # refuses the last seed before the first one trains
    return [run(model, dataset, config_files=config_files, **each) for each in settings_of_each]


def load(run_dir: str | Path) -> LoadedRun:
    """Rebuilds a finished run from its folder: settings, data and the weights of the best epoch.

    Args:
        run_dir: A run folder.

    Returns:
        The run, its model in eval mode.

    Raises:
        UsageError: If the folder holds no run, or its checkpoint is refused.
    """
    folder = Path(run_dir)
    if not (folder / CONFIG).is_file():
        raise UsageError(f"{folder} is no run folder: it has no {CONFIG}")
    config = Config(None, None, [str(folder / CONFIG)], {})
    dataset, splits = build_data(config)
    model = build_model(config, splits[0])
    state = load_checkpoint(folder / BEST, config["device"])
    if state.get("items") != item_fingerprint(dataset):
        raise UsageError(f"{folder} was trained on other items than {config['dataset']} has now: train anew")
    model.load_state_dict(state["state_dict"])
    model.load_other_parameter(state["other_parameter"])
    return LoadedRun(config, model.eval(), dataset, splits)


def build_config(
    model: str | None, dataset: str | None, config_files: Sequence[str | Path] | str | Path, settings: Mapping[str, Any]
) -> Config:
    """The settings of a run, with the defaults of ``run``; those of a run that is resumed lie below all others.

    Raises:
        UsageError: If a setting is wrong, or asks for what the loader and the trainer here do not do.
    """
    resume = _resume(settings, config_files)
    files = [resumed_folder(resume) / CONFIG] if resume else []
    files += _listed(config_files)
    stored = {key: value for file in files for key, value in read_settings(file).items()}
    model, dataset = model or stored.get("model", DEFAULT_MODEL), dataset or stored.get("dataset", DEFAULT_DATASET)
    config = Config(model, dataset, files, settings)
    _refuse_unsupported(config)
    if resume:
        _refuse_another_run(config, read_settings(files[0]))
    return config


def _resume(settings: Mapping[str, Any], config_files: Sequence[str | Path] | str | Path) -> str | Path | None:
    """The run folder that is to be taken up, by a setting or by a file."""
    if "resume" in settings:
        return settings["resume"]
    return next((it for file in reversed(_listed(config_files)) if (it := read_settings(file).get("resume"))), None)


def _listed(files: Sequence[str | Path] | str | Path) -> list[Path]:
    return [Path(file) for file in ([files] if isinstance(files, str | Path) else files)]


def _refuse_another_run(config: Config, stored: Mapping[str, Any]) -> None:
    """Refuses to go on with a run under what would make its past, or its early stopping, another one."""
    for key in ("model", "dataset", "seed", "learner", "valid_metric", "eval_history", "complement"):
        if str(config[key]).casefold() != str(stored.get(key, config[key])).casefold():
            raise UsageError(f"{key} = {config[key]}: {config['resume']} began with {stored[key]}; start a new run")


def build_data(config: Config) -> Data:
    """Reads, filters and splits the dataset.

    Returns:
        The dataset, and its training, validation and test part.

    Raises:
        UsageError: If it is missing, malformed, or nothing is left of it.
    """
    _check_data_file(config)
    try:
        with warnings.catch_warnings():  # pandas' advice to RecBole's authors
            warnings.filterwarnings("ignore", category=FutureWarning, module=r"recbole\.")
            dataset = ContrastiveDataset(config)
            train, valid, test = dataset.build()
    except UsageError:
        raise
    except (ValueError, KeyError, TypeError) as error:  # RecBole's words for settings that do not fit the columns
        what = f"there is no {error}" if isinstance(error, KeyError) else str(error)
        raise UsageError(f"{config['dataset']} can't be read with these data settings: {what}") from error
    return dataset, (train, valid, test)


def _check_data_file(config: Config) -> None:
    """Refuses data that RecBole would stumble over or misread; a dataset it can download is downloaded later."""
    folder = Path(config["data_path"])
    ensure_dataset_available(config["dataset"], folder)
    if folder.exists():
        fields = (config[key] for key in ("USER_ID_FIELD", "ITEM_ID_FIELD", "TIME_FIELD"))
        file = folder / f"{config['dataset']}.inter"
        scaled = config["normalize_all"] or config["TIME_FIELD"] in (config["normalize_field"] or [])
        text = {"separator": config["field_separator"], "encoding": config["encoding"] or "utf-8"}
        check_atomic_file(file, *fields, scaled_times=bool(scaled), **text)


def build_model(config: Config, train: ContrastiveDataset) -> Any:
    """The model on its device, with fresh weights from the run's seed."""
    init_seed(config["seed"], config["reproducibility"])
    return config.model_class(config, train).to(config["device"])


def build_loader(config: Config, model: Any, train: ContrastiveDataset) -> TrainLoader:
    """The training loader, with what the model declares that it needs."""
    settings = LoaderSettings(
        train_form=config["train_form"] or "prefix",
        batch_size=config["train_batch_size"],
        shuffle=config["shuffle"],
        same_target=getattr(model, "needs_same_target", False),
        anchors_per_row=1 if config["anchors_per_row"] is None else config["anchors_per_row"],
        seed=config["seed"],
        device=config["device"],
    )
    return TrainLoader(train, settings)


def build_evaluation_rows(config: Config, split: ContrastiveDataset, name: str) -> EvaluationRows:
    """The rows of a validation or test split, on the device, ready to be ranked."""
    rows = require_rows(rows_of(split), name).to(config["device"])
    return evaluation_rows(rows, split.item_num)


def _run(config: Config, run_dir: Path, data: Data | None = None) -> RunResult:
    logger = getLogger()
    begin = time.perf_counter()
    dataset, (train, valid, test) = data = data or build_data(config)
    valid_rows, test_rows = (build_evaluation_rows(config, *it) for it in ((valid, "validation"), (test, "test")))
    data_seconds = time.perf_counter() - begin
    logger.info(_describe(dataset))
    model = build_model(config, train)  # refuses settings that do not fit before anything is trained

    def train_first(small: Config, folder: Path) -> None:
        _record_settings(config, run_dir)  # by which the run is taken up if it is interrupted in there
        _run(small, folder, data)

    complement = complement_of(config, run_dir, train, train_first)
    if complement:
        model = build_model(config, train)  # anew, for that training has moved the random state
        model.complement_with(complement)
    loader = build_loader(config, model, train)
    logger.info(f"{len(loader.rows)} training rows ({loader.settings.train_form} form), {len(loader)} batches an epoch")
    trainer = Trainer(config, model, run_dir)
    begun = bool(config["resume"]) and (run_dir / LAST).is_file()  # else its complementary encoder went on
    if begun:
        trainer.resume(loader)
    _record_settings(config, run_dir)
    if not (begun and trainer.is_finished()):
        _record_environment(run_dir / "environment.json", config["device"], trainer.start_epoch)
    trainer.fit(loader, valid_rows, show_progress=config["show_progress"])
    trainer.load_best()
    test_ranks = trainer.rank(test_rows, config["show_progress"])
    result = RunResult(
        model=config["model"],
        dataset=config["dataset"],
        seed=config["seed"],
        train_form=loader.settings.train_form,
        best_epoch=trainer.best_epoch,
        epochs_run=trainer.start_epoch + trainer.epochs_run,
        seconds={"data": data_seconds, **trainer.seconds},
        valid=dict(trainer.best_valid_result or {}),
        test={name: trainer.metrics(test_ranks[protocol]) for name, protocol in PROTOCOLS.items()},
        targets=target_fingerprint(test),
        run_dir=run_dir,
    )
    for name, protocol in PROTOCOLS.items():
        with atomic_writer(run_dir / RANK_FILES[name]) as file:
            np.save(file, test_ranks[protocol].rank.cpu().numpy().astype(np.int32))
    trainer.report_test(result.test)
    atomic_write_json(run_dir / "result.json", {k: v for k, v in asdict(result).items() if k != "run_dir"})
    logger.info(f"test, best epoch {result.best_epoch}:\n{result.table()}")
    logger.info(f"run folder: {run_dir}")
    return result


def _record_settings(config: Config, run_dir: Path) -> None:
    settings = config.settings_dict() | {"resume": None}  # the file is for a new run
    atomic_write_text(run_dir / CONFIG, yaml.safe_dump(settings, sort_keys=True))


def _record_environment(file: Path, device: torch.device, first_epoch: int) -> None:
    """Writes what trains the run; where it goes on, beside what trained it so far."""
    now = describe_environment(device)
    getLogger().info("{device_name}, {threads} threads, commit {commit}".format_map(now))
    if first_epoch and file.is_file():
        before = json.loads(file.read_text(encoding="utf-8"))
        now = before | {"resumed": [*before.get("resumed", []), {"epoch": first_epoch, **now}]}
    atomic_write_json(file, now)


def _describe(dataset: ContrastiveDataset) -> str:
    users, items = dataset.user_num - 1, dataset.item_num - 1  # RecBole counts the padding id
    return f"{dataset.dataset_name}: {users} users, {items} items, {len(dataset.user_start)} interactions"


def _refuse_unsupported(config: Config) -> None:
    """Refuses what RecBole offers and our loader and trainer do not, instead of ignoring it."""
    if config["MODEL_INPUT_TYPE"] == InputType.PAIRWISE and config["loss_type"] != "CE":  # SINE declares it under both
        raise UsageError(
            f"{config['model']} with loss_type = {config['loss_type']} needs sampled negatives in its batches, which "
            "the loader here does not make: set loss_type to CE, or train it with RecBole itself"
        )
    if config["train_neg_sample_args"]["distribution"] != "none":
        raise UsageError("train_neg_sample_args has no effect here, no loader draws negatives: leave it at ~")
    if config["log_wandb"] and find_spec("wandb") is None:
        raise UsageError("log_wandb = True: Weights & Biases is not there; pip install wandb, or set it to False")
    switches = dict.fromkeys(("enable_scaler", "save_dataset", "save_dataloaders"), False)
    others: dict[str, object] = {"transform": None, "seq_len": None, "numerical_features": [], "worker": 0}
    for key, idle in (others | switches).items():
        if config[key] not in (idle, None):
            raise UsageError(f"{key} = {config[key]} has no effect here: leave it at {idle}")
    if config["benchmark_filename"]:
        raise UsageError("benchmark_filename: data split beforehand is not supported; give one .inter file")
