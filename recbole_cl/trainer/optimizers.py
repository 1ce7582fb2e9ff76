"""PyTorch's optimisers without torch.compile's code, which the first optimiser would import."""

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
_FUSED = ("adam", "adamw")  # one pass over all parameters instead of a dozen small operations for each of them


def build_optimizer(learner: str, parameters: Iterable[torch.nn.Parameter], **rates: float) -> Optimizer:
    """Builds an optimiser.

    Args:
        learner: adam, adamw, sgd, adagrad or rmsprop, case-insensitive.
        parameters: The parameters to optimise.
        **rates: ``lr`` and ``weight_decay``.
    """
    name = learner.lower()
    build: Any = _without_compiler(name)
    optimizer: Optimizer = build(parameters, **rates, **({"fused": True} if name in _FUSED else {}))
    return optimizer


@cache
def _without_compiler(name: str) -> type[Optimizer]:
    """An equivalent class, made from the functions inside the decorators that PyTorch adds for its compiler.

    These decorators import ``torch._dynamo``, which takes two seconds of CPU time, more than training a small run. Here
    no optimiser is compiled. PyTorch adds its other wrappers of ``step``, the hooks and the profiler, to the new class,
    too. If a later PyTorch has no such decorators, the functions are simply its own.
    """
    cls = _LEARNERS[name]
    plain = ("add_param_group", "load_state_dict", "state_dict", "zero_grad")
    methods: dict[str, Any] = {method: inspect.unwrap(getattr(cls, method)) for method in plain}
    methods["step"] = torch.no_grad()(inspect.unwrap(cls.step))  # its decorator also disabled gradients
    return type(cls.__name__, (cls,), methods)
