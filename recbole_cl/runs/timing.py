"""Estimates how long a run would take, from a few steps of its training."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from recbole_cl.config.config import Config
from recbole_cl.runs.build import build_data, build_loader, build_model, build_trainer
from recbole_cl.runs.evaluation_rows import asked_for_rows
from recbole_cl.runs.settings import settings_of

_WARM_UP, _STEPS, _SECONDS = 2, 10, 10.0  # steps not timed; timed steps at most; seconds for those at most


@dataclass(frozen=True)
class Timing:
    """The duration of a run.

    Attributes:
        data: Seconds before its first step.
        epoch: Seconds of one epoch, validation included.
        epochs: Maximum number of epochs.
    """

    data: float
    epoch: float
    epochs: int

    def seconds(self, epochs: float | None = None) -> float:
        """Seconds of the whole run, for a given number of epochs or for the maximum."""
        return self.data + self.epoch * (self.epochs if epochs is None else epochs)


def time_run(config: Config) -> Timing:
    """Builds a run, does a few steps of its first epoch and one validation, and leaves no files.

    The estimate leaves out what a method does once, such as training a complementary encoder first, and what it does
    only in later epochs.

    Args:
        config: Settings of the run.

    Raises:
        UsageError: If the run would not start.
    """
    device = settings_of(config).device
    begin = time.perf_counter()
    _, (train, valid, _) = build_data(config)
    model = build_model(config, train)
    loader = build_loader(config, model, train)
    rows = asked_for_rows(config, valid, "validation")
    with TemporaryDirectory() as folder, torch.autograd.set_detect_anomaly(False):
        trainer = build_trainer(config, model, Path(folder))
        model.start_epoch(0)
        model.train()
        ready = _now(device)
        steps, counted_from = 0, ready
        for steps, batch in enumerate(loader, start=1):
            trainer.step(batch.to(device))
            if steps == min(_WARM_UP, len(loader) - 1):
                counted_from = _now(device)
            if steps == _WARM_UP + _STEPS or time.perf_counter() - ready > _SECONDS and steps > _WARM_UP:
                break
        trained = _now(device)
        per_step = (trained - counted_from) / (steps - min(_WARM_UP, len(loader) - 1))
        if rows:
            trainer.rank(rows)
        validation = _now(device) - trained
        trainer.tensorboard.close()
    return Timing(ready - begin, per_step * len(loader) + validation / int(config["eval_step"]), trainer.epochs)


def _now(device: torch.device) -> float:
    """The time after the device has finished its pending work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
