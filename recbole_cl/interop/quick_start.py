"""RecBole's ``load_data_and_model``, for checkpoints of its trainer and for our run folders."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from logging import getLogger
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from recbole.data import create_dataset, data_preparation
from recbole.utils import init_logger, init_seed

from recbole_cl.data.fingerprint import item_fingerprint
from recbole_cl.errors import UsageError
from recbole_cl.interop.checkpoints import read_checkpoint
from recbole_cl.model.adapter import adapted
from recbole_cl.runs.build import config_of_run
from recbole_cl.runs.folder import BEST, CONFIG, LAST
from recbole_cl.trainer.checkpoint import load_checkpoint

LoadedByRecBole = tuple[Any, Any, Any, Any, Any, Any]


def load_data_and_model(model_file: str | Path) -> LoadedByRecBole:
    """Loads a trained model, and its data with RecBole's loaders.

    Data are read from the atomic files: files of ``save_dataset`` and ``save_dataloaders``, which are pickles, are not.

    Args:
        model_file: A checkpoint of RecBole's trainer; or the ``best.pth`` or ``last.pth`` of one of our run folders,
            whose settings are in the ``config.yaml`` next to it.

    Returns:
        ``Config``, model, dataset, and the loaders of training, validation and test.

    Raises:
        UsageError: If the checkpoint is refused, or the data's items have changed.
    """
    file = Path(model_file)
    ours = file.name in (BEST, LAST) and (file.parent / CONFIG).is_file()
    state = load_checkpoint(file) if ours else read_checkpoint(file)
    config: Any = config_of_run(file.parent) if ours else state["config"]
    if ours:
        number_lists_as_items(config)
    init_seed(config["seed"], config["reproducibility"])
    init_logger(config)
    getLogger().info(config)
    with _no_pickles(config):
        dataset = create_dataset(config)
    getLogger().info(dataset)
    if ours and state.get("items") != item_fingerprint(dataset):
        raise UsageError(
            f"{file} was trained on other items than {dataset.dataset_name} has now, or RecBole numbers them in "
            "another order, as it may with rm_dup_inter: train again, or load the run with recbole_cl.load"
        )
    with _no_pickles(config):
        train, valid, test = data_preparation(config, dataset)
    init_seed(config["seed"], config["reproducibility"])
    cls: Any = adapted(config.model_class) if ours else config.model_class
    model = cls(config, train._dataset).to(config["device"])
    model.load_state_dict(state["state_dict"])
    model.load_other_parameter(state.get("other_parameter"))
    return config, model, dataset, train, valid, test


def number_lists_as_items(config: Any) -> None:
    """Tells RecBole that the items in the lists of presplit rows are items: it would number them by themselves.

    Args:
        config: The settings of a run of ours; modified in place.
    """
    if config["benchmark_filename"]:
        column = f"{config['ITEM_ID_FIELD']}{config['LIST_SUFFIX']}"
        config["alias_of_item_id"] = list(dict.fromkeys([*(config["alias_of_item_id"] or []), column]))


@contextmanager
def _no_pickles(config: Any) -> Iterator[None]:
    """RecBole neither finds nor writes pickles of its data: those that a checkpoint names could run code."""
    with TemporaryDirectory() as empty:
        settings: dict[str, Any] = {f"{what}_save_path": str(Path(empty, what)) for what in ("dataset", "dataloaders")}
        settings |= {"save_dataset": False, "save_dataloaders": False}
        before = {key: config[key] for key in settings}
        config.final_config_dict.update(settings)
        try:
            yield
        finally:
            config.final_config_dict.update(before)
