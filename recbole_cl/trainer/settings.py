"""The settings of a trainer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class TrainerSettings:
    """How a run is trained, except what RecBole's ``fit`` reads itself: epochs, validations and early stopping.

    Attributes:
        model: Name of the model, for checkpoints.
        dataset: Name of the dataset, for checkpoints.
        learner: adam, adamw, sgd, adagrad or rmsprop, case-insensitive.
        learning_rate: The full learning rate, above 0.
        weight_decay: At least 0.
        schedule: Schedule of the learning rate, ``constant`` or ``cosine``; see ``schedule.cosine_share``.
        warmup_share: Share of the epochs used for warm-up, in [0, 1].
        floor_share: Share of the learning rate at the beginning and the end of ``cosine``, in [0, 1].
        ema_decay: Decay of the weights' running mean, which is then validated and tested, in [0, 1); 0 uses the weights
            themselves.
        clip_grad_norm: Arguments of torch's ``clip_grad_norm_``; None turns clipping off.
        bfloat16: Whether losses are computed under autocast to bfloat16.
        loss_digits: Decimal places of logged losses.
        log_wandb: Whether to send the test's metrics to Weights & Biases.
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
