"""The exponentially weighted mean of a model's weights over its training steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from recbole_cl.model.interface import TrainableModel


class WeightAverage:
    r"""Mean of the weights after each step; the weight of earlier steps decays by a fixed share per step.

    With decay :math:`d`, after t steps :math:`\bar w_t = \frac{1 - d}{1 - d^t} \sum_{i=1}^{t} d^{t-i} w_i`: the weights
    before the first step are not included. Buffers are not averaged.

    Reference:
        Polyak and Juditsky, "Acceleration of Stochastic Approximation by Averaging", 1992; the exponential form and its
        correction as in Kingma and Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015, section 3 and 7.2.

    Args:
        model: The model being trained.
        decay: d, in [0, 1); 0.999 averages over about a thousand steps. 0 turns averaging off.
    """

    def __init__(self, model: TrainableModel, decay: float) -> None:
        self._parameters: dict[str, Tensor] = dict(model.named_parameters()) if decay else {}
        self._decay = decay
        self.steps = 0
        self._mean = {name: it.detach().clone() for name, it in self._parameters.items()}

    @torch.no_grad()
    def update(self) -> None:
        """Adds the current weights, after a step, to the mean."""
        if not self._decay:
            return
        self.steps += 1
        share = (1 - self._decay) / (1 - self._decay**self.steps)
        torch._foreach_lerp_(list(self._mean.values()), list(self._parameters.values()), share)

    def restart(self) -> None:
        """Forgets all steps."""
        self.steps = 0

    @contextmanager
    def in_model(self) -> Iterator[None]:
        """Replaces the weights by their mean within the block; before the first step the weights stay."""
        if not self.steps:
            yield
            return
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def _swap(self) -> None:
        for name, parameter in self._parameters.items():
            parameter.data, self._mean[name] = self._mean[name], parameter.data

    def state_dict(self) -> dict[str, Any]:
        """The state needed to resume exactly; empty without a decay."""
        return {"steps": self.steps, "mean": dict(self._mean)} if self._decay else {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restores such a state. An empty state, from a training without averaging, starts the mean here.

        Raises:
            RuntimeError: If the state belongs to other weights.
        """
        if not state or not self._decay:
            return
        if state["mean"].keys() != self._mean.keys():
            raise RuntimeError("the averaged weights are of another model")
        self.steps = state["steps"]
        for name, mean in self._mean.items():
            mean.copy_(state["mean"][name])
