"""A second update of some weights by the gradients of the first."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn


def step_again(optimizer: torch.optim.Optimizer, parameters: Sequence[nn.Parameter]) -> None:
    """Steps some parameters once more, as an optimiser does that has them twice in its list.

    Args:
        optimizer: After its step, with the gradients of it; those of all other parameters are dropped.
        parameters: Which to step; with none nothing is done.
    """
    if not parameters:
        return
    again = {id(it) for it in parameters}
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            if id(parameter) not in again:
                parameter.grad = None  # without a gradient it is not stepped
    optimizer.step()
