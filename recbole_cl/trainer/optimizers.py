"""PyTorch's optimisers without the machinery of torch.compile, which the first one would import."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from functools import cache
from typing import Any

import torch
from torch.optim import SGD, Adagrad, Adam, AdamW, Optimizer, RMSprop

_LEARNERS: dict[str, type[Optimizer]] = {
    "adam": Adam,
    "adamw": AdamW,
    "sgd": SGD,
    "adagrad": Adagrad,
    "rmsprop": RMSprop,
}
_FUSED = ("adam", "adamw")  # one pass over all parameters instead of a dozen small operations for each


def build_optimizer(learner: str, parameters: Iterable[torch.nn.Parameter], **rates: float) -> Optimizer:
    """Builds an optimiser.

    Args:
        learner: adam, adamw, sgd, adagrad or rmsprop, in any capitals.
        parameters: What it changes.
        **rates: ``lr`` and ``weight_decay``.
    """
    name = learner.lower()
    build: Any = _without_compiler(name)
    optimizer: Optimizer = build(parameters, **rates, **({"fused": True} if name in _FUSED else {}))
    return optimizer


@cache
def _without_compiler(name: str) -> type[Optimizer]:
    """A class that does the same, by the functions that PyTorch's decorators for its compiler are laid around.

    Those decorators import ``torch._dynamo``: two seconds of CPU time, more than a small run's training. Nothing
    compiles an optimiser here. What else is laid around ``step``, the hooks and the profiler, PyTorch lays around the
    new class's as well. Where a later PyTorch has no such decorators, the functions are its own.
    """
    cls = _LEARNERS[name]
    plain = ("add_param_group", "load_state_dict", "state_dict", "zero_grad")
    methods: dict[str, Any] = {method: inspect.unwrap(getattr(cls, method)) for method in plain}
    methods["step"] = torch.no_grad()(inspect.unwrap(cls.step))  # whose decorator switches gradients off, too
    return type(cls.__name__, (cls,), methods)
