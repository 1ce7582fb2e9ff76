"""Learning rate of an epoch."""

from __future__ import annotations

import math

from torch.optim import Optimizer

from recbole_cl.trainer.settings import TrainerSettings

SCHEDULES = ("constant", "cosine")


def set_rate(optimizer: Optimizer, settings: TrainerSettings, epoch: int, epochs: int) -> float | None:
    """Sets the learning rate of an epoch by the schedule.

    Returns:
        The rate; None if it is constant, and thus left as it is.
    """
    if settings.schedule == "constant":
        return None
    rate = settings.learning_rate * rate_share(
        settings.schedule, epoch, epochs, settings.warmup_share, settings.floor_share
    )
    for group in optimizer.param_groups:
        group["lr"] = rate
    return rate


def rate_share(schedule: str, epoch: int, epochs: int, warmup_share: float, floor_share: float) -> float:
    """Share of the full learning rate in an epoch. It depends only on the epoch, so that runs can be resumed.

    During warm-up, the cosine schedule rises linearly. After that it follows half a cosine wave that spans all epochs;
    the warm-up replaces the flat beginning of the wave.

    Reference:
        Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", ICLR 2017, Eq. 5, without
        restarts; the warm-up is that of timm's ``CosineLRScheduler``, which AdaptiveRec's code uses.

    Args:
        schedule: "constant" or "cosine".
        epoch: The epoch, counted from 0.
        epochs: Number of epochs of the whole run, >= 1; a run that stops early does not reach the end of the wave.
        warmup_share: Share of the epochs used for warm-up, rounded down, in [0, 1]; 0.05 in AdaptiveRec.
        floor_share: Share at the start of the warm-up and at the end of the wave, in [0, 1]; 0.1 in AdaptiveRec.

    Returns:
        The share, from ``floor_share`` to 1.

    Raises:
        ValueError: If the schedule is unknown.
    """
    if schedule not in SCHEDULES:
        raise ValueError(f"schedule is {schedule!r}; it must be one of {', '.join(SCHEDULES)}")
    if schedule == "constant":
        return 1.0
    warmup = int(warmup_share * epochs)
    risen = epoch / warmup if epoch < warmup else (1 + math.cos(math.pi * epoch / epochs)) / 2
    return floor_share + (1 - floor_share) * risen
