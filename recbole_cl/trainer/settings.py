"""The settings of a trainer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class TrainerSettings:
    """How a run is trained, beside what RecBole's ``fit`` looks up itself: epochs, validations and early stopping.

    Attributes:
        model: Name of the model, for checkpoints.
        dataset: Name of the dataset, for checkpoints.
        learner: adam, adamw, sgd, adagrad or rmsprop, in any capitals.
        learning_rate: The full one, above 0.
        weight_decay: At least 0.
        schedule: Of the learning rate, ``constant`` or ``cosine``; see ``schedule.rate_share``.
        warmup_share: Share of the epochs that warm up, in [0, 1].
        floor_share: Share of the learning rate where ``cosine`` begins and ends, in [0, 1].
        ema_decay: Of the weights' running mean, which is validated and tested, in [0, 1); 0 for the weights themselves.
        clip_grad_norm: Arguments of torch's ``clip_grad_norm_``; None clips nothing.
        bfloat16: Whether losses are computed under autocast to bfloat16.
        loss_digits: Digits of logged losses behind the point.
        log_wandb: Whether Weights & Biases gets the test's metrics.
    """

    model: str
    dataset: str
    learner: str
    learning_rate: float
    weight_decay: float
    schedule: str
    warmup_share: float
    floor_share: float
    ema_decay: float
    clip_grad_norm: Mapping[str, Any] | None
    bfloat16: bool
    loss_digits: int
    log_wandb: bool
