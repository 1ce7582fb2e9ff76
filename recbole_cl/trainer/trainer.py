"""RecBole's trainer with named losses, rank-counting validation, and checkpoints for resuming exactly."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from recbole.trainer import Trainer as RecBoleTrainer
from torch import Tensor

from recbole_cl.allocator import give_back_freed_memory
from recbole_cl.data.loader import TrainLoader
from recbole_cl.distributed.processes import wait, world
from recbole_cl.distributed.sharing import shared_work, take_from_first
from recbole_cl.evaluation.evaluate import EvaluationSettings, RankEvaluator
from recbole_cl.evaluation.metrics import RankCounts, metrics_from_ranks, needs_top_items
from recbole_cl.evaluation.ranks import EvaluationRows
from recbole_cl.model.interface import TrainableModel
from recbole_cl.trainer.averaging import WeightAverage
from recbole_cl.trainer.checkpoint import FIRST_STAGE, load_checkpoint, save_checkpoint
from recbole_cl.trainer.console import Console, Validations, progress_bar
from recbole_cl.trainer.optimizers import build_optimizer
from recbole_cl.trainer.schedule import set_rate
from recbole_cl.trainer.settings import TrainerSettings
from recbole_cl.trainer.state import Progress, TrainedOn, best_state, last_state, load_weights, take_up, trained_on
from recbole_cl.trainer.step import mean_losses, train_step
from recbole_cl.trainer.tensorboard import tensorboard_in, write_diagnostics, write_scalars

_LOG_INTERVAL = 50  # steps between two readings of the loss; each makes the host wait for the device


class Trainer(RecBoleTrainer):
    """Trains a sequential model and writes its two checkpoints.

    ``fit`` is RecBole's: epochs, validation, early stopping. The differences: loss terms are reported by name;
    validation ranks by counting, under the protocol that the settings name; and ``last`` is written before every epoch
    with all random states, so that an interrupted run resumes exactly as if it had not been interrupted.

    Args:
        config: RecBole's or our ``Config``, used only by RecBole's trainer.
        model: The model, on its device.
        settings: How it is trained.
        evaluation: How it is validated and tested.
        best: Checkpoint of the best epoch.
        last: Checkpoint to resume from.
        log_dir: Folder for TensorBoard's events; must exist.
        before_epoch: Called with the number of each epoch after ``last`` is written. If it raises, training ends there.

    Raises:
        UsageError: If there are fewer items than the longest list is long.
    """

    model: TrainableModel
    start_epoch: int  # RecBole's: the first epoch that ``fit`` trains, and validations since the last improvement
    cur_step: int
    _train_data: TrainLoader  # set by ``fit``
    _origin: TrainedOn

    def __init__(
        self,
        config: Any,
        model: TrainableModel,
        settings: TrainerSettings,
        evaluation: EvaluationSettings,
        *,
        best: Path,
        last: Path,
        log_dir: Path,
        before_epoch: Callable[[int], None] = lambda epoch: None,
    ) -> None:
        self.settings, self.evaluation, self.best, self.last = settings, evaluation, best, last
        self._before_epoch = before_epoch
        if world().rank:
            config["log_wandb"] = False  # one run there, not one per process
        with tensorboard_in(log_dir):
            super().__init__(config, model)
        self.saved_model_file = str(best)
        self.best_epoch, self.epochs_run, self.seconds = -1, 0, {"train": 0.0, "evaluate": 0.0}
        self._losses: dict[str, float] = {}
        self._console = Console(self.epochs, config["valid_metric"], settings.loss_digits)
        self._valid_result: dict[str, float] | None = None
        evaluation.refuse_too_long_lists(model.n_items - 1)
        top_k = evaluation.longest if needs_top_items(evaluation.metrics) else 0
        self._evaluator = RankEvaluator(model, evaluation.batch_size, top_k)
        self._average = WeightAverage(model, settings.ema_decay)

    def _build_optimizer(self, **kwargs: Any) -> torch.optim.Optimizer:
        return build_optimizer(self.settings.learner, self.model.parameters(), **self._rates())

    @property
    def all_optimizers(self) -> Any:
        """The optimiser as saved in checkpoints: its ``state_dict`` and ``param_groups``."""
        return self.optimizer

    def _rates(self) -> dict[str, float]:
        return {"lr": float(self.settings.learning_rate), "weight_decay": float(self.settings.weight_decay)}

    def fit(
        self,
        train_data: TrainLoader,
        valid_data: EvaluationRows | None = None,
        *,
        show_progress: bool = False,
        callback_fn: Callable[[int, float], None] | None = None,
        **kwargs: Any,
    ) -> tuple[float, Any]:
        """Trains until early stopping or the last epoch, as RecBole's ``fit``.

        Args:
            train_data: Our training loader.
            valid_data: The validation rows; None trains all epochs and keeps the last one.
            show_progress: Whether to show a progress bar with the maximum remaining time.
            callback_fn: Called with epoch and score after every validation.
            **kwargs: RecBole's ``saved``.

        Returns:
            Best validation score and the metrics of that epoch.

        Raises:
            UsageError: If a loss becomes NaN or infinite.
        """
        wait()  # from here on, no process reads the files that this training will write
        self._train_data, self._origin = train_data, self._origin_with(train_data)
        self._validates = valid_data is not None

        def after_validation(epoch: int, score: float) -> None:
            measured = {} if self.model.pretraining else self._valid_result or {}
            self._console.ends(epoch, score, measured, self._seen())
            if callback_fn:
                callback_fn(epoch, score)

        told = {**kwargs, "verbose": False, "callback_fn": after_validation}
        steps = (self.epochs - self.start_epoch) * len(train_data)
        try:
            if self.is_finished() and not self._begin_next_stage():
                why = "its last epoch is done" if self.start_epoch >= self.epochs else "it had stopped early"
                self.logger.info(f"nothing to train, {why}: raise epochs or stopping_step to continue; testing now")
                self.eval_collector.data_collect(train_data)
                return self.best_valid_score, self.best_valid_result
            # Importing any sequential RecBole model enables anomaly detection for the whole process (in its sine.py),
            # which makes training take 1.4-1.6 times as long. So it is disabled here, whatever was imported before.
            with torch.autograd.set_detect_anomaly(False), self._console.showing(steps, show_progress):
                result: tuple[float, Any] = super().fit(train_data, valid_data, **told)
                while self._begin_next_stage():
                    result = super().fit(train_data, valid_data, **told)
            self._save_last(self.start_epoch + self.epochs_run)
        finally:
            self.tensorboard.close()
        return result

    def is_finished(self) -> bool:
        """Whether a resumed run has no epochs left to train: RecBole would test its last weights, or keep training."""
        return (self.start_epoch >= self.epochs or self.cur_step > self.stopping_step) and self.best.is_file()

    def _begin_next_stage(self) -> bool:
        """Continues from the best weights, if early stopping left epochs to run and the model has a next stage."""
        next_epoch = self.start_epoch + self.epochs_run
        if self.cur_step <= self.stopping_step or next_epoch >= self.epochs or not self.model.has_next_stage:
            return False
        self.load_best()
        self._average.restart()
        self.model.start_next_stage()
        self.logger.info(f"next stage: from epoch {next_epoch} on, with the weights of epoch {self.best_epoch}")
        self.start_epoch, self.epochs_run, self.cur_step = next_epoch, 0, 0
        return True

    @shared_work()
    def _train_epoch(
        self, train_data: Any, epoch_idx: int, loss_func: Any = None, show_progress: bool = False
    ) -> float:
        """Trains one epoch; returns the mean total loss over its batches, and stores the terms' means by name."""
        self._save_last(epoch_idx)  # before the epoch is prepared: a resumed run repeats the preparation
        self._before_epoch(epoch_idx)
        if epoch_idx and epoch_idx == self.model.first_stage_epochs:
            self.optimizer = self._build_optimizer()  # after saving the old: a run that resumes here does the same
        begin, total = time.perf_counter(), len(train_data)
        self._set_learning_rate(epoch_idx)
        self.model.start_epoch(epoch_idx)
        take_from_first(self.model.buffers())
        self.model.train()
        sums: dict[str, Tensor] = {}
        self._console.begins(epoch_idx)
        for step, interaction in enumerate(train_data, start=1):
            terms = self.step(interaction.to(self.device))
            for name, value in terms.items():
                sums[name] = sums[name] + value if name in sums else value.clone()
            told = step % _LOG_INTERVAL == 0
            self._console.steps(mean_losses(sums, step, epoch_idx, self.last)["total"] if told else None)
        self._losses = mean_losses(sums, total, epoch_idx, self.last)
        write_diagnostics(self.tensorboard, self.model.end_epoch(epoch_idx), epoch_idx, self.logger)
        give_back_freed_memory()
        self.epochs_run += 1
        self.seconds["train"] += time.perf_counter() - begin
        return self._losses["total"]

    def _set_learning_rate(self, epoch: int) -> None:
        if (rate := set_rate(self.all_optimizers, self.settings, epoch, self.epochs)) is not None:
            self.tensorboard.add_scalar("learning_rate", rate, epoch)

    def step(self, interaction: Any) -> dict[str, Tensor]:
        """Trains on a batch that is on the model's device; returns the minimised terms by name."""
        return train_step(self.model, self.optimizer, self._average, self.settings, interaction)

    def _generate_train_loss_output(self, epoch_idx: int, s_time: float, e_time: float, losses: Any) -> str:
        self._console.trained(epoch_idx, self._losses)
        if not self._validates or (epoch_idx + 1) % self.eval_step:
            self._console.ends(epoch_idx, None, {}, self._seen())
        return ""  # so that RecBole logs nothing here

    def _seen(self) -> Validations:
        return Validations(self.best_valid_score, self.best_epoch, self.stopping_step + 1 - self.cur_step)

    def _add_train_loss_to_tensorboard(self, epoch_idx: int, losses: Any, tag: str = "loss") -> None:
        write_scalars(self.tensorboard, tag, self._losses, epoch_idx)

    def _add_hparam_to_tensorboard(self, best_valid_result: Any) -> None:
        """Does nothing: RecBole would write a second event file; config.yaml and result.json hold the same values."""

    def _valid_epoch(self, valid_data: EvaluationRows, show_progress: bool = False) -> tuple[float, dict[str, float]]:
        if self.model.pretraining:
            return (-math.inf if self.valid_metric_bigger else math.inf), {}  # equivalent to no validation
        with self._average.in_model():
            counts = self.rank(valid_data, show_progress)[self.evaluation.history]
        self._valid_result = result = self.metrics(counts)
        write_scalars(self.tensorboard, "valid", result, self.start_epoch + self.epochs_run - 1)
        return result[self.evaluation.valid_metric], result

    def rank(self, split: EvaluationRows, show_progress: bool = False) -> dict[str, RankCounts]:
        """Ranks of a split under both history protocols (``keep``, ``remove``), with the model's current weights."""
        begin = time.perf_counter()
        with progress_bar(len(split.order), "evaluation", show_progress) as bar:
            ranks = self._evaluator.rank(split, bar.update)
        self.seconds["evaluate"] += time.perf_counter() - begin
        return ranks

    def metrics(self, counts: RankCounts) -> dict[str, float]:
        """RecBole's metrics of the given ranks."""
        return metrics_from_ranks(self.evaluation.metrics, counts, self.eval_collector.data_struct._data_dict)

    def report_test(self, test: Mapping[str, Mapping[str, float]]) -> None:
        """Sends the test metrics of each protocol to Weights & Biases, if it logs the run, and ends its run there."""
        if world().rank or not self.settings.log_wandb:
            return
        for protocol, metrics in test.items():
            self.wandblogger.log_eval_metrics(metrics, head=f"test/{protocol}")
        self.wandblogger._wandb.finish()

    def load_best(self) -> None:
        """Loads the weights of the best epoch into the model."""
        wait()  # for the process that writes the file
        state = load_checkpoint(self.best, self.device)
        load_weights(state, self.model, self.best)
        self.best_epoch = state["epoch"]

    def resume(self, train_data: TrainLoader) -> None:
        """Resumes the run from ``last``: weights, optimiser, early stopping, random states.

        Learning rate and weight decay come from the settings, and may differ from those before.

        Args:
            train_data: The loader of the resumed training.

        Raises:
            UsageError: If there is no usable checkpoint, or it belongs to another model, dataset or kind of device.
        """
        parts = self._origin_with(train_data), self.model, self.all_optimizers, train_data, self._average
        before = take_up(self.last, self.best, *parts)
        for group in self.all_optimizers.param_groups:
            group |= self._rates()
        self.start_epoch, self.cur_step = before.epoch + 1, before.cur_step
        self.best_valid_score, self.best_valid_result = before.best_valid_score, before.best_valid_result
        self.best_epoch, self.seconds = before.best_epoch, dict(before.seconds)
        self.logger.info(f"resumes with epoch {self.start_epoch + 1} of at most {self.epochs}, from {self.last}")

    def _save_checkpoint(self, epoch: int, verbose: bool = True, **kwargs: Any) -> None:
        """Writes the best checkpoint (RecBole's hook of this name)."""
        self.best_epoch = epoch = max(epoch, self.start_epoch - 1)  # RecBole passes -1 if there is no epoch left to run
        if self._valid_result is not None:
            self.best_valid_result = self._valid_result  # RecBole sets it only after saving
        with self._average.in_model():
            save_checkpoint(best_state(self._origin, self._progress(epoch), self.model), self.best)

    def _save_last(self, next_epoch: int) -> None:
        """Writes everything that is needed to resume exactly with ``next_epoch``."""
        self.tensorboard.flush()  # so that a run that is killed and resumed keeps the values of all epochs
        parts, progress = (self.all_optimizers, self._train_data, self._average), self._progress(next_epoch - 1)
        save_checkpoint(last_state(self._origin, progress, self.model, *parts), self.last)
        if next_epoch and next_epoch == self.model.first_stage_epochs:
            save_checkpoint(best_state(self._origin, progress, self.model), self.last.with_name(FIRST_STAGE))

    def _progress(self, epoch: int) -> Progress:
        best = self.best_valid_score, self.best_valid_result, self.best_epoch
        return Progress(epoch, self.cur_step, *best, self.seconds)

    def _origin_with(self, train_data: TrainLoader) -> TrainedOn:
        return trained_on(self.settings.model, self.settings.dataset, train_data, self.device)
