"""What happens with one batch: losses, gradients, the optimiser's steps; and the mean losses of an epoch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_

from recbole_cl.distributed.sharing import backward
from recbole_cl.errors import UsageError
from recbole_cl.model.interface import TrainableModel
from recbole_cl.trainer.averaging import WeightAverage
from recbole_cl.trainer.settings import TrainerSettings


def train_step(
    model: TrainableModel,
    optimizer: torch.optim.Optimizer,
    average: WeightAverage,
    settings: TrainerSettings,
    interaction: Any,
) -> dict[str, Tensor]:
    """Trains on a batch, in as many steps as the model needs.

    Args:
        model: The model.
        optimizer: Of its parameters.
        average: The mean of its weights, which is updated after each step.
        settings: How it is trained.
        interaction: The batch, on the model's device.

    Returns:
        The minimised terms by name, scalars without gradients.
    """
    taken: dict[str, Tensor] = {}
    for terms_of_step in model.optimiser_steps(interaction):
        optimizer.zero_grad(set_to_none=True)  # parameters without a gradient are then not stepped
        with torch.autocast(model.device.type, dtype=torch.bfloat16, enabled=settings.bfloat16):
            terms = terms_of_step()
        backward(torch.stack(list(terms.values())).sum(), model.parameters())
        if settings.clip_grad_norm:
            clip_grad_norm_(model.parameters(), **settings.clip_grad_norm)
        optimizer.step()
        step_again(optimizer, model.stepped_twice)
        average.update()
        taken |= {name: value.detach() for name, value in terms.items()}
    return taken


def step_again(optimizer: torch.optim.Optimizer, parameters: Sequence[nn.Parameter]) -> None:
    """Steps some parameters again, like an optimiser that lists them twice.

    Args:
        optimizer: After its step, with the gradients of that step; gradients of all other parameters are dropped.
        parameters: The parameters to step; nothing happens if there are none.
    """
    if not parameters:
        return
    again = {id(it) for it in parameters}
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            if id(parameter) not in again:
                parameter.grad = None  # parameters without a gradient are not stepped
    optimizer.step()


def mean_losses(sums: dict[str, Tensor], steps: int, epoch: int, last: Path) -> dict[str, float]:
    """The mean of each term, and ``total``, their sum.

    Args:
        sums: Sum of each term over the steps, scalars.
        steps: How many.
        epoch: The epoch, counted from 0, for the message.
        last: The checkpoint from before the epoch, for the message.

    Returns:
        Mean by name.

    Raises:
        UsageError: If the total is NaN or infinite.
    """
    means: dict[str, float] = dict(zip(sums, (torch.stack(list(sums.values())) / steps).tolist(), strict=True))
    means["total"] = total = sum(means.values())
    if not math.isfinite(total):
        named = ", ".join(f"{name} {value}" for name, value in means.items())
        raise UsageError(
            f"the loss became {total} in epoch {epoch} ({named}): lower learning_rate or raise "
            f"temperature; {last} holds the state before that epoch"
        )
    return means
