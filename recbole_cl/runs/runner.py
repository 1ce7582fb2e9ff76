"""``run``: the one place where dataset, model, loader, trainer and test come together."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from logging import getLogger
from pathlib import Path
from typing import Any

import numpy as np

from recbole_cl.config.config import Config
from recbole_cl.config.messages import shown
from recbole_cl.data.files.dataframe import DataSource, named_data
from recbole_cl.data.fingerprint import target_fingerprint
from recbole_cl.distributed.processes import join, wait, world
from recbole_cl.errors import UsageError
from recbole_cl.evaluation.protocol import PROTOCOLS, not_comparable
from recbole_cl.runs.build import Data, build_config, build_data, resume_asked_for
from recbole_cl.runs.environment import peak_memory
from recbole_cl.runs.evaluation_rows import asked_for_rows
from recbole_cl.runs.folder import (
    LOG,
    RANKS,
    gone_if_useless,
    resumed_folder,
    usable_when_interrupted,
)
from recbole_cl.runs.lock import locked
from recbole_cl.runs.logs import logging_to
from recbole_cl.runs.memory import told_when_memory_runs_out
from recbole_cl.runs.result import RunResult, write_result
from recbole_cl.runs.settings import settings_of
from recbole_cl.runs.together import Attempts, folder_for_all, refuse_data_to_write, refuse_what_one_process_does
from recbole_cl.runs.training import train
from recbole_cl.trainer.console import FOR_THE_FILE
from recbole_cl.writing import atomic_writer, remove_leftovers


def run(
    model: str | type | None = None,
    dataset: DataSource | None = None,
    *,
    config_files: Sequence[str | Path] | str | Path = (),
    **settings: Any,
) -> RunResult:
    """Trains a model with early stopping, tests it under both history protocols, and leaves a run folder.

    Args:
        model: Name of one of our models, or of a sequential model of RecBole's; your own class, or its dotted path,
            such as "my_package.my_module.MyMethod"; None for the model that the files name, or else DuoRec.
        dataset: Name of a folder of atomic files under ``data_path``, or of a dataset that RecBole downloads; None for
            the dataset that the files name, or else ml-100k. Or the return value of ``from_dataframe``; or its input, a
            DataFrame, with its arguments ``user``, ``item``, ``time``, ``rating``, ``name`` and ``data_path`` among the
            settings.
        config_files: One or several YAML files; later ones override earlier ones.
        **settings: Any setting; these override the files. With ``resume``, the settings of the resumed run have the
            lowest rank.

    Returns:
        The measurements.

    Raises:
        UsageError: If a setting or the data is wrong; this is reported before training.
    """
    refuse_data_to_write(dataset)
    name, settings = named_data(dataset, settings)
    config = build_config(model, name, config_files, settings)
    typed = settings_of(config)
    attempts = Attempts(typed.folders)
    if not typed.resume and (begun := attempts.folder()):
        config = build_config(model, name, config_files, settings | {"resume": str(begun)})
        typed = settings_of(config)
    join(typed.device)
    refuse_what_one_process_does(config, typed)
    run_dir = resumed_folder(typed.resume) if typed.resume else folder_for_all(typed)
    attempts.begin_in(run_dir)
    return carry_out(config, run_dir)


def carry_out(config: Config, run_dir: Path, before_epoch: Callable[[int], None] = lambda epoch: None) -> RunResult:
    """Trains and tests a run in a given folder.

    Args:
        config: Its settings; with ``resume``, the folder holds the run to resume.
        run_dir: The folder, which exists.
        before_epoch: Called with the number of each epoch. If it raises, the run ends there and can be resumed exactly.

    Returns:
        The measurements.

    Raises:
        UsageError: If a setting or the data is wrong.
    """
    if world().rank:  # the first process writes the log, and cleans up
        return _run(config, run_dir, before_epoch)
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
        UsageError: As for ``run``, or if a seed is given twice.
    """
    if not isinstance(seeds, Sequence) or isinstance(seeds, str | bytes):
        raise UsageError(f"seeds = {shown(seeds)}: expected a list of seeds, such as [1, 2, 3]")
    if len({*map(repr, seeds)}) < len(seeds):
        raise UsageError(f"seeds {list(seeds)} has a seed twice: each seed gives one run")
    if resume := resume_asked_for(settings, config_files):
        raise UsageError(f"resume = {resume}: only one run can be resumed, with its own seed; leave the seeds out")
    refuse_data_to_write(dataset)
    name, settings = named_data(dataset, settings)
    settings_of_each = [settings | {"seed": seed} for seed in seeds]
    for each in settings_of_each:
        build_config(model, name, config_files, each)  # checks every seed before the first run trains
    return [run(model, name, config_files=config_files, **each) for each in settings_of_each]


def _run(config: Config, run_dir: Path, before_epoch: Callable[[int], None], data: Data | None = None) -> RunResult:
    logger, settings = getLogger(), settings_of(config)
    begin = time.perf_counter()
    data = data or build_data(config)
    test = data[1][2]
    test_rows = asked_for_rows(config, test, "test")
    data_seconds = time.perf_counter() - begin

    def train_first(small: Config, folder: Path, data: Data) -> None:
        _run(small, folder, before_epoch, data)

    trained = train(config, run_dir, data, train_first, before_epoch=before_epoch)
    trainer = trained.trainer
    trainer.load_best()
    begin = time.perf_counter()
    test_ranks = trainer.rank(test_rows, settings.show_progress) if test_rows else {}
    test_seconds = time.perf_counter() - begin
    result = RunResult(
        model=settings.model,
        dataset=settings.dataset,
        seed=settings.seed,
        train_form=trained.train_form,
        best_epoch=trainer.best_epoch,
        epochs_run=trained.epochs_run,
        seconds={"data": data_seconds, **trainer.seconds, "test": test_seconds},
        valid=dict(trainer.best_valid_result or {}),
        test={it.name: trainer.metrics(test_ranks[it.setting]) for it in PROTOCOLS if test_ranks},
        targets=target_fingerprint(test) if test_ranks else None,
        run_dir=run_dir,
        parameters=sum(weight.numel() for weight in trainer.model.parameters()),
        training_targets=trained.targets,
        peak_memory=peak_memory(settings.device),
    )
    for protocol in PROTOCOLS if test_ranks else ():
        with atomic_writer(run_dir / RANKS[protocol.name]) as file:
            np.save(file, test_ranks[protocol.setting].rank.cpu().numpy().astype(np.int32))
    trainer.report_test(result.test)
    write_result(result)
    logger.info(f"test, best epoch {result.best_epoch}:\n{result.table()}", extra={FOR_THE_FILE: True})
    wait()  # until the folder is complete
    if test_rows and test_rows.candidates is not None:
        logger.warning(f"the test is {not_comparable(config['eval_args']['mode']['test'])}")
    logger.info(
        f"{'tested' if test_ranks else 'ends'} with the weights of epoch {result.best_epoch + 1}; run folder: {run_dir}"
    )
    return result


def _warn_of_missing_gpu(config: Config) -> None:
    """Warns if the run was told which GPU to use but uses none."""
    asked = config.settings_dict()["gpu_id"]
    if asked not in (None, "", "visible") and config["use_gpu"] and config["device"].type == "cpu":
        getLogger().warning(f"gpu_id = {asked}: PyTorch finds no such GPU here; this run trains on the CPU")
