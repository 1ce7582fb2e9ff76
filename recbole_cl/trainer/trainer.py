"""RecBole's trainer with named losses, rank-counting validation, and checkpoints that resume exactly."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import recbole.trainer.trainer as recbole_trainer
import torch
from recbole.trainer import Trainer as RecBoleTrainer
from recbole.utils import set_color
from torch import Tensor
from torch.nn.utils import clip_grad_norm_
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from recbole_cl.allocator import give_back_freed_memory
from recbole_cl.data.fingerprint import interaction_fingerprint, item_fingerprint
from recbole_cl.errors import UsageError
from recbole_cl.evaluation.evaluate import RankEvaluator
from recbole_cl.evaluation.metrics import RankCounts, metrics_from_ranks, needs_top_items
from recbole_cl.evaluation.ranks import EvaluationRows
from recbole_cl.model.base import EncoderRecommender
from recbole_cl.runs.folder import BEST, LAST
from recbole_cl.trainer.checkpoint import load_checkpoint, save_checkpoint
from recbole_cl.trainer.schedule import rate_share

_LOG_INTERVAL = 50  # steps between two readings of the loss: each makes the host wait for the device


class Trainer(RecBoleTrainer):
    """Trains any sequential model of ours or RecBole's inside one run folder.

    ``fit`` is RecBole's: epochs, validation, early stopping. What differs: the loss terms are logged by name;
    validation ranks by counting under the protocol that ``eval_history`` names; ``last.pth`` is written before every
    epoch with all random states, so that a run that was cut short goes on exactly as if it had not been.

    Args:
        config: Our ``Config``.
        model: The model, on its device.
        run_dir: Folder for checkpoints and TensorBoard events; must exist.
    """

    start_epoch: int  # RecBole's: the first epoch that ``fit`` trains, and validations without a better one
    cur_step: int

    def __init__(self, config: Any, model: Any, run_dir: Path) -> None:
        with tensorboard_in(run_dir):
            super().__init__(config, model)
        self.run_dir = run_dir
        self.saved_model_file = str(run_dir / BEST)
        self.best_epoch = -1
        self.epochs_run = 0
        self.seconds = {"train": 0.0, "evaluate": 0.0}
        self._train_data: Any = None
        self._items = self._interactions = ""
        self._losses: dict[str, float] = {}
        self._valid_result: dict[str, float] | None = None
        longest = max(config["topk"])
        if longest >= model.n_items:  # which counts the padding; a target that can't be recommended has that rank
            raise UsageError(
                f"topk = {longest}: there are {model.n_items - 1} items, too few for that list; lower topk"
            )
        top_k = longest if needs_top_items(config) else 0
        self._evaluator = RankEvaluator(model, config["eval_batch_size"], top_k)

    def _build_optimizer(self, **kwargs: Any) -> torch.optim.Optimizer:
        learner = str(kwargs.get("learner", self.learner)).lower()
        if learner not in ("adam", "adamw"):
            optimizer: torch.optim.Optimizer = super()._build_optimizer(**kwargs)
            return optimizer
        build = torch.optim.Adam if learner == "adam" else torch.optim.AdamW
        rates = {"learning_rate": self.learning_rate, "weight_decay": self.weight_decay, **kwargs}
        # one pass over all parameters instead of a dozen small operations for each
        return build(
            kwargs.get("params", self.model.parameters()),
            lr=float(rates["learning_rate"]),
            weight_decay=float(rates["weight_decay"]),
            fused=True,
        )

    def fit(self, train_data: Any, valid_data: EvaluationRows | None = None, **kwargs: Any) -> tuple[float, Any]:
        """Trains until early stopping or the last epoch, as RecBole's ``fit``.

        Args:
            train_data: Our training loader.
            valid_data: The validation rows; None trains all epochs and keeps the last.
            **kwargs: RecBole's: ``verbose``, ``saved``, ``show_progress``, ``callback_fn``.

        Returns:
            Best validation score and the metrics of that epoch.

        Raises:
            UsageError: If a loss becomes NaN or infinite.
        """
        self._train_data, self._items = train_data, item_fingerprint(train_data.dataset)
        self._interactions = interaction_fingerprint(train_data.dataset)
        try:
            if self.is_finished() and not self._begin_next_stage():
                why = "its last epoch is done" if self.start_epoch >= self.epochs else "it had stopped early"
                self.logger.info(f"nothing to train, {why}: raise epochs or stopping_step to go on; now the test")
                self.eval_collector.data_collect(train_data)
                return self.best_valid_score, self.best_valid_result
            # Importing any sequential model of RecBole's switches anomaly detection on for the whole process (its
            # sine.py), which costs 1.4-1.6 times the training time; whatever else was imported, we train with it off.
            with torch.autograd.set_detect_anomaly(False):
                result: tuple[float, Any] = super().fit(train_data, valid_data, **kwargs)
                while self._begin_next_stage():
                    result = super().fit(train_data, valid_data, **kwargs)
            self._save_last(self.start_epoch + self.epochs_run)
        finally:
            self.tensorboard.close()
        return result

    def is_finished(self) -> bool:
        """Whether a resumed run has nothing left to train: RecBole would test its last weights, or train on."""
        done = self.start_epoch >= self.epochs or self.cur_step > self.stopping_step
        return done and Path(self.saved_model_file).is_file()

    def _begin_next_stage(self) -> bool:
        """Goes on from the best weights, if early stopping left epochs to run and the model has something to do."""
        next_epoch = self.start_epoch + self.epochs_run
        stopped = self.cur_step > self.stopping_step and next_epoch < self.epochs
        ours = self.model if isinstance(self.model, EncoderRecommender) else None
        if not (ours and stopped and ours.has_next_stage):
            return False
        self.load_best()
        ours.start_next_stage()
        self.logger.info(f"next stage: from epoch {next_epoch} on, with the weights of epoch {self.best_epoch}")
        self.start_epoch, self.epochs_run, self.cur_step = next_epoch, 0, 0
        return True

    def _train_epoch(
        self, train_data: Any, epoch_idx: int, loss_func: Any = None, show_progress: bool = False
    ) -> float:
        """One epoch; returns the mean of the summed loss over its batches, and keeps the terms' means by name."""
        self._save_last(epoch_idx)  # before the model's own preparations: a resumed run repeats them
        begin = time.perf_counter()
        self._set_learning_rate(epoch_idx)
        ours = self.model if isinstance(self.model, EncoderRecommender) else None
        if ours:
            ours.start_epoch(epoch_idx)
        self.model.train()
        sums: dict[str, Tensor] = {}
        total, label = len(train_data), f"Train {epoch_idx:>5}"
        bar = tqdm(train_data, total=total, desc=label, ncols=100, disable=not show_progress)
        for step, interaction in enumerate(bar, start=1):
            terms = self._step(interaction.to(self.device))
            for name, value in terms.items():
                sums[name] = sums[name] + value.detach() if name in sums else value.detach().clone()
            if step % _LOG_INTERVAL == 0:
                bar.set_postfix_str(f"loss {self._means(sums, step, epoch_idx)['total']:.4f}")
        self._losses = self._means(sums, total, epoch_idx)
        if ours:
            self._record(ours.end_epoch(epoch_idx), epoch_idx)
        give_back_freed_memory()
        self.epochs_run += 1
        self.seconds["train"] += time.perf_counter() - begin
        return self._losses["total"]

    def _set_learning_rate(self, epoch: int) -> None:
        """Follows the schedule."""
        if (schedule := self.config["learning_rate_schedule"]) == "constant":
            return
        share = rate_share(schedule, epoch, self.epochs, self.config["warmup_share"], self.config["floor_share"])
        for group in self.optimizer.param_groups:
            group["lr"] = share * self.learning_rate
        self.tensorboard.add_scalar("learning_rate", share * self.learning_rate, epoch)

    def _record(self, diagnostics: dict[str, float], epoch: int) -> None:
        """What the model measured in an epoch, to TensorBoard and the log."""
        for name, value in diagnostics.items():
            self.tensorboard.add_scalar(f"diagnostics/{name}", value, epoch)
        if diagnostics:
            self.logger.info(f"epoch {epoch}: " + ", ".join(f"{key} {value:.4f}" for key, value in diagnostics.items()))

    def _step(self, interaction: Any) -> dict[str, Tensor]:
        self.optimizer.zero_grad(set_to_none=True)
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.enable_amp):
            terms = self._terms(interaction)
        torch.stack(list(terms.values())).sum().backward()
        if self.clip_grad_norm:
            clip_grad_norm_(self.model.parameters(), **self.clip_grad_norm)
        self.optimizer.step()
        return terms

    def _terms(self, interaction: Any) -> dict[str, Tensor]:
        if isinstance(self.model, EncoderRecommender):
            return self.model.named_losses(interaction)
        losses = self.model.calculate_loss(interaction)  # RecBole's own models: one loss, or a tuple to be summed
        parts = losses if isinstance(losses, tuple) else (losses,)
        return {f"loss{i}" if len(parts) > 1 else "loss": part.sum() for i, part in enumerate(parts)}  # GCSAN's is [1]

    def _means(self, sums: dict[str, Tensor], steps: int, epoch: int) -> dict[str, float]:
        means = dict(zip(sums, (torch.stack(list(sums.values())) / steps).tolist(), strict=True))
        means["total"] = sum(means.values())
        if not math.isfinite(means["total"]):
            named = ", ".join(f"{name} {value}" for name, value in means.items())
            raise UsageError(
                f"the loss became {means['total']} in epoch {epoch} ({named}): lower learning_rate or raise "
                f"temperature; {self.run_dir / LAST} holds the state before that epoch"
            )
        return means

    def _generate_train_loss_output(self, epoch_idx: int, s_time: float, e_time: float, losses: Any) -> str:
        digits = self.config["loss_decimal_place"]
        named = ", ".join(f"{set_color(name, 'blue')}: {value:.{digits}f}" for name, value in self._losses.items())
        head = set_color(f"epoch {epoch_idx} training", "green")
        return f"{head} [{set_color('time', 'blue')}: {e_time - s_time:.2f}s, {named}]"

    def _add_train_loss_to_tensorboard(self, epoch_idx: int, losses: Any, tag: str = "loss") -> None:
        for name, value in self._losses.items():
            self.tensorboard.add_scalar(f"{tag}/{name}", value, epoch_idx)

    def _add_hparam_to_tensorboard(self, best_valid_result: Any) -> None:
        """Nothing: RecBole would write a second event file there; config.yaml and result.json hold all of it."""

    def _valid_epoch(self, valid_data: EvaluationRows, show_progress: bool = False) -> tuple[float, dict[str, float]]:
        if isinstance(self.model, EncoderRecommender) and self.model.pretraining:
            return (-math.inf if self.valid_metric_bigger else math.inf), {}  # no better than no validation at all
        counts = self.rank(valid_data, show_progress)[self.config["eval_history"]]
        self._valid_result = result = self.metrics(counts)
        epoch = self.start_epoch + self.epochs_run - 1
        for name, value in result.items():
            self.tensorboard.add_scalar(f"valid/{name}", value, epoch)
        return result[self.valid_metric], result

    def rank(self, split: EvaluationRows, show_progress: bool = False) -> dict[str, RankCounts]:
        """Ranks of a split under both history protocols (``keep``, ``remove``), with the model as it stands."""
        begin = time.perf_counter()
        total = len(split.order)
        with tqdm(total=total, desc="Evaluate", ncols=100, leave=False, disable=not show_progress) as bar:
            ranks = self._evaluator.rank(split, bar.update)
        self.seconds["evaluate"] += time.perf_counter() - begin
        return ranks

    def metrics(self, counts: RankCounts) -> dict[str, float]:
        """RecBole's metrics of the given ranks."""
        return metrics_from_ranks(self.config, counts, self.eval_collector.data_struct._data_dict)

    def report_test(self, test: Mapping[str, Mapping[str, float]]) -> None:
        """Sends the test metrics of each protocol to Weights & Biases, if it logs the run, and ends its run there."""
        if not self.config["log_wandb"]:
            return
        for protocol, metrics in test.items():
            self.wandblogger.log_eval_metrics(metrics, head=f"test/{protocol}")
        self.wandblogger._wandb.finish()

    def load_best(self) -> None:
        """Puts the weights of the best epoch into the model."""
        state = load_checkpoint(Path(self.saved_model_file), self.device)
        self.model.load_state_dict(state["state_dict"])
        self.model.load_other_parameter(state["other_parameter"])
        self.best_epoch = state["epoch"]

    def _save_checkpoint(self, epoch: int, verbose: bool = True, **kwargs: Any) -> None:
        """Writes the best checkpoint (RecBole's hook of that name)."""
        self.best_epoch = epoch = max(epoch, self.start_epoch - 1)  # RecBole says -1 where no epoch is left to run
        if self._valid_result is not None:
            self.best_valid_result = self._valid_result  # RecBole sets it only after saving
        save_checkpoint(self._state(epoch), self.run_dir / BEST)

    def _save_last(self, next_epoch: int) -> None:
        """Writes all that an exact continuation with ``next_epoch`` needs."""
        random = {"torch": torch.get_rng_state()}
        if self.device.type == "cuda":
            random["cuda"] = torch.cuda.get_rng_state(self.device)
        for owner in (self.model, self._train_data):
            if isinstance(generator := getattr(owner, "generator", None), torch.Generator):
                random[type(owner).__name__] = generator.get_state()
        state = self._state(next_epoch - 1)
        progress = {"optimizer": self.optimizer.state_dict(), "random": random, "best_epoch": self.best_epoch}
        progress |= {"seconds": dict(self.seconds), "device": self.device.type, "interactions": self._interactions}
        save_checkpoint(state | progress, self.run_dir / LAST)

    def _state(self, epoch: int) -> dict[str, Any]:
        best = self.best_valid_result
        return {
            "model": self.config["model"],
            "dataset": self.config["dataset"],
            "items": self._items,
            "epoch": epoch,
            "cur_step": self.cur_step,
            "best_valid_score": float(self.best_valid_score),
            "best_valid_result": None if best is None else {name: float(value) for name, value in best.items()},
            "state_dict": self.model.state_dict(),
            "other_parameter": self.model.other_parameter(),
        }

    def resume(self, train_data: Any) -> None:
        """Takes up the run in this folder where ``last.pth`` left it: weights, optimiser, early stopping, randomness.

        Learning rate and weight decay are those of the settings, which may be others than before.

        Args:
            train_data: The loader of the continued training.

        Raises:
            UsageError: If there is no usable ``last.pth``, or it is another model's, dataset's or kind of device's.
        """
        state = load_checkpoint(self.run_dir / LAST, self.device)
        for key in ("model", "dataset"):
            if state[key] != self.config[key]:
                raise UsageError(f"{self.run_dir / LAST} is of {key} {state[key]}, not {self.config[key]}")
        if state["items"] != item_fingerprint(train_data.dataset):
            raise UsageError(
                f"{self.run_dir / LAST} knows other items than {self.config['dataset']} has now: train anew"
            )
        now = interaction_fingerprint(train_data.dataset)
        if state.get("interactions", now) != now:  # early ones don't tell
            raise UsageError(
                f"{self.run_dir / LAST} is of other interactions than {self.config['dataset']} has now, so its best "
                "validation means nothing here: train anew"
            )
        if (written_on := state.get("device", self.device.type)) != self.device.type:
            raise UsageError(
                f"{self.run_dir / LAST} was written on {written_on}, whose random numbers {self.device.type} can't "
                "continue: go on with that kind of device, or train anew"
            )
        try:
            self.model.load_state_dict(state["state_dict"])
            self.optimizer.load_state_dict(state["optimizer"])
        except (RuntimeError, ValueError) as error:
            what = " ".join(str(error).split())[:200]
            raise UsageError(f"{self.run_dir / LAST} does not fit these settings, use the run's own: {what}") from None
        for group in self.optimizer.param_groups:
            group |= {"lr": self.learning_rate, "weight_decay": self.weight_decay}
        self.model.load_other_parameter(state["other_parameter"])
        self.start_epoch, self.cur_step = state["epoch"] + 1, state["cur_step"]
        self.best_valid_score, self.best_valid_result = state["best_valid_score"], state["best_valid_result"]
        self.best_epoch, self.seconds = state["best_epoch"], dict(state["seconds"])
        random = state["random"]
        torch.set_rng_state(random["torch"].cpu())
        if "cuda" in random and self.device.type == "cuda":
            torch.cuda.set_rng_state(random["cuda"].cpu(), self.device)
        for owner in (self.model, train_data):
            if type(owner).__name__ in random:
                owner.generator.set_state(random[type(owner).__name__].cpu())


@contextmanager
def tensorboard_in(run_dir: Path) -> Iterator[None]:
    """RecBole's trainer opens its event file under ./log_tensorboard, which can't be set; here it goes to the run."""
    original = recbole_trainer.get_tensorboard
    recbole_trainer.get_tensorboard = lambda logger: SummaryWriter(str(run_dir))
    try:
        yield
    finally:
        recbole_trainer.get_tensorboard = original
