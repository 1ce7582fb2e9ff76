"""Losses and gradients of one step, for comparisons."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor


def losses_and_gradients(model: Any, losses: Callable[[], Mapping[str, Tensor]], grouped: bool) -> list[Tensor]:
    """The terms of one step and the gradients of all parameters, with or without grouping rows by length.

    Args:
        model: The model; its generators start from the same state each time.
        losses: Computes the model's terms for some batch.
        grouped: Whether to group.

    Returns:
        The terms, then the gradients.
    """
    model.group_by_length = grouped
    model.generator.manual_seed(5)
    model.zero_grad()
    terms = losses()
    sum(terms.values()).backward()  # type: ignore[union-attr]
    return [*terms.values(), *(parameter.grad.clone() for parameter in model.parameters())]
