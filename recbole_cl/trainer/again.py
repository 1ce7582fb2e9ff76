"""A second update of some weights with the gradients of the first."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn


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
