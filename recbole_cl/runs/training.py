"""Trains a run as its settings say; the test items are not used here."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from logging import getLogger
from pathlib import Path

import torch
import yaml

from recbole_cl.config.config import Config
from recbole_cl.data.dataset import ContrastiveDataset
from recbole_cl.data.vocabulary import ITEMS_FILE, items_of
from recbole_cl.runs.build import Data, build_loader, build_model, build_trainer
from recbole_cl.runs.complement import complement_of
from recbole_cl.runs.environment import describe_environment
from recbole_cl.runs.evaluation_rows import asked_for_rows
from recbole_cl.runs.folder import CONFIG, ENVIRONMENT, LAST, RESULT
from recbole_cl.runs.pretrained import begin_pretrained
from recbole_cl.runs.settings import settings_of
from recbole_cl.runs.together import agree_on_run
from recbole_cl.runs.warm_start import start_from
from recbole_cl.trainer.trainer import Trainer
from recbole_cl.writing import atomic_write_json, atomic_write_text


@dataclass(frozen=True)
class Trained:
    """A run that has been trained but not tested.

    Attributes:
        trainer: Holds the best validation score; the weights of that epoch are in the run folder.
        train_form: The form of the training rows.
        epochs_run: Number of epochs trained, including those before the run was resumed.
        targets: Number of items that one epoch predicts.
    """

    trainer: Trainer
    train_form: str
    epochs_run: int
    targets: int


def train(
    config: Config,
    run_dir: Path,
    data: Data,
    train_first: Callable[[Config, Path, Data], object],
    on_validation: Callable[[int, float], None] | None = None,
    before_epoch: Callable[[int], None] = lambda epoch: None,
) -> Trained:
    """Trains a run with early stopping; its test items are never used.

    Args:
        config: Its settings; with ``resume``, training resumes from the run folder's ``last.pth``.
        run_dir: Its folder, which exists.
        data: The output of ``build_data`` for these settings, or for others that give the same data.
        train_first: Trains the complementary encoder's run, if the settings ask for one.
        on_validation: Called with epoch (from 0) and score of each validation. If it raises, training ends.
        before_epoch: Called with the number of each epoch. If it raises, training ends there and can be resumed
            exactly.

    Returns:
        The trained run.

    Raises:
        UsageError: If the settings do not fit, or a loss becomes NaN or infinite.
    """
    settings = settings_of(config)
    dataset, (train, valid, _) = data
    agree_on_run(config, train)
    valid_rows = asked_for_rows(config, valid, "validation")
    if valid_rows is None:
        _say_unvalidated(config)
    getLogger().info(_describe(dataset))
    if differences := config.unlike_recbole():
        getLogger().info(differences)
    items = items_of(dataset)
    model = build_model(config, train)  # refuses settings that do not fit, before training starts

    def train_complement(small: Config, folder: Path) -> None:
        _record_settings(config, run_dir)  # needed to resume the run if it is interrupted in there
        train_first(small, folder, data)

    with _random_state_kept(settings.device):  # the origin of the complement must not change a run's numbers
        complement = complement_of(config, run_dir, train, train_complement)
    if complement:
        model.complement_with(complement)
    loader = build_loader(config, model, train)
    form = loader.train_form
    getLogger().info(f"{loader.n_rows} training rows ({form} form), {len(loader)} batches an epoch")
    trainer = build_trainer(config, model, run_dir, before_epoch)
    begun = bool(settings.resume) and (run_dir / LAST).is_file()  # if not, only its complementary encoder was resumed
    if begun:
        trainer.resume(loader)
    elif settings.init_from:
        start_from(model, items, Path(settings.init_from))
    else:
        begin_pretrained(config, model, train)
    _record_settings(config, run_dir)
    items.save(run_dir / ITEMS_FILE)
    if not (begun and trainer.is_finished()):
        _record_environment(run_dir / ENVIRONMENT, settings.device, trainer.start_epoch)
    trainer.fit(loader, valid_rows, show_progress=settings.show_progress, callback_fn=on_validation)
    return Trained(trainer, form, trainer.start_epoch + trainer.epochs_run, len(loader.prefixes))


def _say_unvalidated(config: Config) -> None:
    asked = f"train_on = {config['train_on']}, eval_args.split = {config['eval_args']['split']}"
    getLogger().info(f"{asked}: no validation, so that all {config['epochs']} epochs are trained and the last one kept")


def _random_state_kept(device: torch.device) -> AbstractContextManager[None]:
    """Restores the global generators of torch, on the CPU and on the device, to their state before the block."""
    return torch.random.fork_rng([device] if device.type == "cuda" else [])


def _record_settings(config: Config, run_dir: Path) -> None:
    (run_dir / RESULT).unlink(missing_ok=True)  # of a run that is resumed: with other settings it means something else
    settings = config.settings_dict() | {"resume": None}  # the file describes a new run
    atomic_write_text(run_dir / CONFIG, yaml.safe_dump(settings, sort_keys=True))


def _record_environment(file: Path, device: torch.device, first_epoch: int) -> None:
    """Records the environment of the training; a resumed run adds it to those recorded earlier."""
    now = describe_environment(device)
    getLogger().info("{device_name}, {threads} threads, commit {commit}".format_map(now))
    if first_epoch and file.is_file():
        before = json.loads(file.read_text(encoding="utf-8"))
        now = before | {"resumed": [*before.get("resumed", []), {"epoch": first_epoch, **now}]}
    atomic_write_json(file, now)


def _describe(dataset: ContrastiveDataset) -> str:
    users, items = dataset.user_num - 1, dataset.item_num - 1  # RecBole counts the padding id
    return f"{dataset.dataset_name}: {users} users, {items} items, {len(dataset.user_start)} interactions"
