"""Learning rate of an epoch."""

from __future__ import annotations

import math

from torch.optim import Optimizer

from recbole_cl.trainer.settings import TrainerSettings


def set_rate(optimizer: Optimizer, settings: TrainerSettings, epoch: int, epochs: int) -> float | None:
    """Sets the learning rate of an epoch by the schedule.

    Returns:
        The rate; None if it is constant, and thus left as it is.
    """
    if settings.schedule == "constant":
        return None
    rate = settings.learning_rate * cosine_share(epoch, epochs, settings.warmup_share, settings.floor_share)
    for group in optimizer.param_groups:
        group["lr"] = rate
    return rate


def cosine_share(epoch: int, epochs: int, warmup_share: float, floor_share: float) -> float:
    """Cosine schedule: share of the full learning rate in an epoch. It depends only on that, so runs can be resumed.

    During warm-up, the share rises linearly. After that it follows half a cosine wave that spans all epochs;
    the warm-up replaces the flat beginning of the wave.

    Reference:
        Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", ICLR 2017, Eq. 5, without
        restarts; the warm-up is that of timm's ``CosineLRScheduler``, which AdaptiveRec's code uses.

    Args:
        epoch: The epoch, counted from 0.
        epochs: Number of epochs of the whole run, >= 1; a run that stops early does not reach the end of the wave.
        warmup_share: Share of the epochs used for warm-up, rounded down, in [0, 1]; 0.05 in AdaptiveRec.
        floor_share: Share at the start of the warm-up and at the end of the wave, in [0, 1]; 0.1 in AdaptiveRec.

    Returns:
        The share, from ``floor_share`` to 1.
    """
    warmup = int(warmup_share * epochs)
    risen = epoch / warmup if epoch < warmup else (1 + math.cos(math.pi * epoch / epochs)) / 2
    return floor_share + (1 - floor_share) * risen
