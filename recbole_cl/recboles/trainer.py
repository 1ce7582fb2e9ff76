"""RecBole's trainers, combined with our validation, checkpoints and run folder."""

from __future__ import annotations

import math
import time
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import torch
from recbole.utils import get_trainer

from recbole_cl.errors import UsageError
from recbole_cl.evaluation.ranks import EvaluationRows
from recbole_cl.trainer.optimizers import build_optimizer
from recbole_cl.trainer.trainer import Trainer


class Optimizers:
    """All optimisers of a trainer as one object, for checkpoints.

    Args:
        several: The optimisers by name.
    """

    def __init__(self, several: dict[str, torch.optim.Optimizer]) -> None:
        self._several = several

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """The parameter groups of all optimisers."""
        return [group for each in self._several.values() for group in each.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """The state of each optimiser, by name."""
        return {name: each.state_dict() for name, each in self._several.items()}

    def load_state_dict(self, states: dict[str, Any]) -> None:
        """Restores the states."""
        for name, each in self._several.items():
            each.load_state_dict(states[name])


class ByRecBole(Trainer):
    """Wraps one of RecBole's trainers: epochs and stages are RecBole's, measurements and saved files are ours."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._stage: str | None = getattr(self.model, "train_stage", None)
        if self._is_pretraining():
            self.epochs = self.config["pretrain_epochs"]

    def _is_pretraining(self) -> bool:
        return self._stage is not None and self._stage != "finetune"

    def _build_optimizer(self, **kwargs: Any) -> torch.optim.Optimizer:
        parameters = kwargs.get("params", self.model.parameters())
        return build_optimizer(self.settings.learner, parameters, **self._rates())

    @property
    def all_optimizers(self) -> Optimizers:
        """RecVAE's trainer has several optimisers and switches between them in each epoch."""
        found = {name: it for name, it in vars(self).items() if isinstance(it, torch.optim.Optimizer)}
        several = {name: it for name, it in found.items() if name != "optimizer"}
        return Optimizers(several or found)

    def fit(self, train_data: Any, valid_data: EvaluationRows | None = None, **kwargs: Any) -> tuple[float, Any]:
        """As in our trainer. A first stage is not validated in RecBole: the weights of its last epoch count as best."""
        result = super().fit(train_data, valid_data, **kwargs)
        if not self._is_pretraining():
            return result
        self.eval_collector.data_collect(train_data)  # for metrics of coverage and popularity; pretrain() does not
        if self.epochs_run:
            self._save_checkpoint(self.start_epoch + self.epochs_run - 1)
            self.logger.info(
                f"{self._stage}: not validated; the next stage takes these weights by "
                f"--train_stage=... --pre_model_path={self.best}"
            )
        return result

    def save_pretrained_model(self, epoch: int, saved_model_file: str | Path) -> None:
        """Does nothing: ``best`` and ``last`` hold the weights, and RecBole's file would be a pickle."""

    def _train_epoch(self, train_data: Any, epoch_idx: int, *args: Any, **kwargs: Any) -> Any:
        self._save_last(epoch_idx)
        self._before_epoch(epoch_idx)
        begin, total = time.perf_counter(), len(train_data)
        self._set_learning_rate(epoch_idx)
        self._console.begins(epoch_idx)
        train_data.on_batch = lambda: self._console.steps(None)
        sums = self._epoch_by_recbole(train_data, epoch_idx)
        parts = sums if isinstance(sums, tuple) else (sums,)
        self._losses = {f"loss{i}" if len(parts) > 1 else "loss": float(it) / total for i, it in enumerate(parts)}
        self._losses["total"] = mean = sum(self._losses.values())
        if not math.isfinite(mean):
            raise UsageError(
                f"the loss became {mean} in epoch {epoch_idx}: lower learning_rate; {self.last} holds the state before"
            )
        self.epochs_run += 1
        self.seconds["train"] += time.perf_counter() - begin
        return mean

    def _epoch_by_recbole(self, train_data: Any, epoch: int) -> Any:
        """Sums of the losses over the batches; NaN where RecBole stops because of one."""
        try:
            with warnings.catch_warnings():  # hides PyTorch's advice, which is for RecBole's authors
                warnings.simplefilter("ignore")
                return super(Trainer, self)._train_epoch(train_data, epoch)
        except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
            if str(error) == "Training loss is nan":
                return math.nan
            if not type(self.model).__module__.startswith("recbole.") or "out of memory" in str(error):
                raise
            what = f"{type(error).__name__}: {' '.join(str(error).split())}"
            raise UsageError(
                f"{self.settings.model} fails in training on these data with these settings ({what}); compare those "
                f"that you set with RecBole's {self.settings.model}.yaml"
            ) from error


@cache
def trainer_class(model_type: Any, model: str) -> type[ByRecBole]:
    """The trainer that RecBole uses for a model, wrapped by ours.

    Args:
        model_type: RecBole's ``ModelType``.
        model: Its name.
    """
    theirs = get_trainer(model_type, model)
    return type(f"{theirs.__name__}ByRecBole", (ByRecBole, theirs), {"__module__": __name__})
