"""The one place where dataset, model, loader and trainer meet: ``run`` and ``load``."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from logging import getLogger
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from recbole_cl.config.config import Config
from recbole_cl.config.messages import shown
from recbole_cl.data.dataset import ContrastiveDataset
from recbole_cl.data.files.dataframe import DataSource, named_data
from recbole_cl.data.fingerprint import item_fingerprint, target_fingerprint
from recbole_cl.errors import UsageError
from recbole_cl.evaluation.protocol import PROTOCOLS
from recbole_cl.runs.build import (
    Data,
    build_config,
    build_data,
    build_evaluation_rows,
    build_model,
    config_of_run,
    resume_asked_for,
)
from recbole_cl.runs.folder import (
    BEST,
    LOG,
    RANKS,
    gone_if_useless,
    new_folder,
    resumed_folder,
    usable_when_interrupted,
)
from recbole_cl.runs.lock import locked
from recbole_cl.runs.logs import logging_to
from recbole_cl.runs.memory import told_when_memory_runs_out
from recbole_cl.runs.result import RunResult, write_result
from recbole_cl.runs.settings import settings_of
from recbole_cl.runs.training import train
from recbole_cl.serving.loaded import Serving, Until
from recbole_cl.serving.recommending import SEEN
from recbole_cl.trainer.checkpoint import load_checkpoint
from recbole_cl.trainer.console import FOR_THE_FILE
from recbole_cl.trainer.state import load_weights
from recbole_cl.writing import atomic_writer, remove_leftovers

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True, repr=False)
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

    @cached_property
    def serving(self) -> Serving:
        """What the run is asked for by tokens of users and items."""
        return Serving(self)

    def __repr__(self) -> str:
        """What it is, without its settings."""
        return f"LoadedRun({type(self.model).__name__} on {self.dataset.dataset_name})"

    def recommend(
        self,
        users: Iterable[object] | None = None,
        k: int = 10,
        *,
        histories: Iterable[Sequence[object]] | None = None,
        exclude: str | Iterable[object] = SEEN,
        history: Until = "test",
    ) -> pandas.DataFrame:
        """The best items for users of the dataset, or for new ones.

        Args:
            users: Tokens; None for all, unless there are histories.
            k: Items for each, at least 1.
            histories: In place of users: rows of items' tokens, the newest last; unknown ones are skipped.
            exclude: ``seen`` leaves out what a user has already; ``none`` nothing; tokens those items, too.
            history: What is known of users of the dataset: ``train``, ``valid`` (its items, too) or ``test``
                (everything).

        Returns:
            A line each: user (numbers from 1 for histories), rank from 1, item, score; the best first.

        Raises:
            UsageError: If a user is unknown, a history has no known item, or an argument is out of range.
        """
        if users is not None and histories is not None:
            raise UsageError("recommend: give users or histories")
        if histories is not None:
            rows = self.serving.new_histories([(None, row) for row in histories], history)
        else:
            rows = self.serving.histories(users, history)
        return self.serving.recommend(rows, k, exclude)

    def similar(self, items: Iterable[object] | None = None, k: int = 10) -> pandas.DataFrame:
        """The items nearest to others by the cosine of their vectors: see ``serving/loaded.py``."""
        return self.serving.similar(items, k)


def run(
    model: str | type | None = None,
    dataset: DataSource | None = None,
    *,
    config_files: Sequence[str | Path] | str | Path = (),
    **settings: Any,
) -> RunResult:
    """Trains a model with early stopping, tests it under both history protocols, and leaves a run folder.

    Args:
        model: Name of one of ours, or of a sequential model of RecBole's; a class of your own, or its dotted path, such
            as "my_package.my_module.MyMethod"; None for that of the files, or else DuoRec.
        dataset: Name of a folder of atomic files under ``data_path``, or of a dataset that RecBole downloads; None for
            that of the files, or else ml-100k. Or what ``from_dataframe`` returned; or what it takes, a DataFrame, with
            its ``user``, ``item``, ``time``, ``rating``, ``name`` and ``data_path`` among the settings.
        config_files: YAML files, later ones first in rank; or one.
        **settings: Any setting, above the files. With ``resume``, the settings of the resumed run lie below all others.

    Returns:
        The measurements.

    Raises:
        UsageError: If a setting or the data is wrong; nothing has been trained then.
    """
    name, settings = named_data(dataset, settings)
    config = build_config(model, name, config_files, settings)
    typed = settings_of(config)
    if typed.resume:
        run_dir = resumed_folder(typed.resume)
    else:
        run_dir = new_folder(typed.folders, typed.model, typed.dataset, typed.seed)
    return carry_out(config, run_dir)


def carry_out(config: Config, run_dir: Path, before_epoch: Callable[[int], None] = lambda epoch: None) -> RunResult:
    """Trains and tests a run in a folder that is given.

    Args:
        config: Its settings; with ``resume``, those of the run in that folder.
        run_dir: The folder, which exists.
        before_epoch: Is told the number of each epoch; what it raises ends the run there, to be resumed exactly.

    Returns:
        The measurements.

    Raises:
        UsageError: If a setting or the data is wrong.
    """
    log = logging_to(run_dir / LOG, settings_of(config).log_level or "INFO")
    with gone_if_useless(run_dir), locked(run_dir), log, usable_when_interrupted(run_dir):
        remove_leftovers(run_dir)
        _warn_of_missing_gpu(config)
        with told_when_memory_runs_out():
            return _run(config, run_dir, before_epoch)


def run_seeds(
    model: str | type | None,
    dataset: DataSource | None,
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
    if not isinstance(seeds, Sequence) or isinstance(seeds, str | bytes):
        raise UsageError(f"seeds = {shown(seeds)}: expected a list of seeds, such as [1, 2, 3]")
    if len({*map(repr, seeds)}) < len(seeds):
        raise UsageError(f"seeds {list(seeds)} has a seed twice: each seed gives one run")
    if resume := resume_asked_for(settings, config_files):
        raise UsageError(f"resume = {resume}: one run goes on, with its own seed; leave the seeds out")
    name, settings = named_data(dataset, settings)
    settings_of_each = [settings | {"seed": seed} for seed in seeds]
    for each in settings_of_each:
        build_config(model, name, config_files, each)  # refuses the last seed before the first one trains
    return [run(model, name, config_files=config_files, **each) for each in settings_of_each]


def load(
    run_dir: str | Path | RunResult, model: str | type | None = None, *, data_path: str | Path | None = None
) -> LoadedRun:
    """Rebuilds a finished run from its folder: settings, data and the weights of the best epoch.

    Args:
        run_dir: A run folder, or what a run returned.
        model: The class of the model, or its dotted path, where that is neither ours nor RecBole's: a module that the
            folder alone names is not imported.
        data_path: Folder of dataset folders, where that is no longer where the run found it.

    Returns:
        The run, its model in eval mode.

    Raises:
        UsageError: If the folder holds no run, or one of another model, or its checkpoint is refused.
    """
    where = run_dir.run_dir if isinstance(run_dir, RunResult) else run_dir
    if not isinstance(where, str | Path):
        raise UsageError(f"load({shown(where)}): expected a run folder, or what a run returned")
    folder = Path(where)
    config = config_of_run(folder, model, data_path)
    dataset, splits = build_data(config)
    trained = build_model(config, splits[0])
    state = load_checkpoint(folder / BEST, trained.device)
    if state.get("items") != item_fingerprint(dataset):
        raise UsageError(f"{folder} was trained on other items than {dataset.dataset_name} has now: train anew")
    load_weights(state, trained, folder / BEST)
    return LoadedRun(config, trained.eval(), dataset, splits)


def _run(config: Config, run_dir: Path, before_epoch: Callable[[int], None], data: Data | None = None) -> RunResult:
    logger, settings = getLogger(), settings_of(config)
    begin = time.perf_counter()
    data = data or build_data(config)
    test = data[1][2]
    test_rows = build_evaluation_rows(config, test, "test")
    data_seconds = time.perf_counter() - begin

    def train_first(small: Config, folder: Path, data: Data) -> None:
        _run(small, folder, before_epoch, data)

    trained = train(config, run_dir, data, train_first, before_epoch=before_epoch)
    trainer = trained.trainer
    trainer.load_best()
    test_ranks = trainer.rank(test_rows, settings.show_progress)
    result = RunResult(
        model=settings.model,
        dataset=settings.dataset,
        seed=settings.seed,
        train_form=trained.train_form,
        best_epoch=trainer.best_epoch,
        epochs_run=trained.epochs_run,
        seconds={"data": data_seconds, **trainer.seconds},
        valid=dict(trainer.best_valid_result or {}),
        test={protocol.name: trainer.metrics(test_ranks[protocol.setting]) for protocol in PROTOCOLS},
        targets=target_fingerprint(test),
        run_dir=run_dir,
    )
    for protocol in PROTOCOLS:
        with atomic_writer(run_dir / RANKS[protocol.name]) as file:
            np.save(file, test_ranks[protocol.setting].rank.cpu().numpy().astype(np.int32))
    trainer.report_test(result.test)
    write_result(result)
    logger.info(f"test, best epoch {result.best_epoch}:\n{result.table()}", extra={FOR_THE_FILE: True})
    logger.info(f"tested with the weights of epoch {result.best_epoch + 1}; run folder: {run_dir}")
    return result


def _warn_of_missing_gpu(config: Config) -> None:
    """Says so where the run was told which GPU to take, and takes none."""
    asked = config.settings_dict()["gpu_id"]
    if asked not in (None, "", "visible") and config["use_gpu"] and config["device"].type == "cpu":
        getLogger().warning(f"gpu_id = {asked}: PyTorch finds no such GPU here; this run trains on the CPU")
