"""RecBole's configuration, imported without scikit-learn: runs here need none of the three functions it uses of it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any

_METRICS = "sklearn.metrics"  # importing it takes over half a second; only value-based metrics (AUC, MAE) need it


@contextmanager
def _sklearn_when_called() -> Iterator[None]:
    """While the block imports modules, functions from scikit-learn are replaced by ones that import it when called.

    The replacement ends with the block: a later import of scikit-learn gets the real module.
    """
    if "sklearn" in sys.modules:
        yield
        return
    packages = {"sklearn": ModuleType("sklearn"), _METRICS: ModuleType(_METRICS)}
    for name in ("auc", "mean_absolute_error", "mean_squared_error"):
        setattr(packages[_METRICS], name, _later(name))
    sys.modules.update(packages)
    try:
        yield
    finally:
        for name in packages:
            del sys.modules[name]


def _later(name: str) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        return getattr(import_module(_METRICS), name)(*args, **kwargs)

    return call


with _sklearn_when_called():
    from recbole.config import Config as RecBoleConfig
    from recbole.utils import (
        dataset_arguments,
        evaluation_arguments,
        general_arguments,
        training_arguments,
    )

__all__ = [
    "RecBoleConfig",
    "dataset_arguments",
    "evaluation_arguments",
    "general_arguments",
    "training_arguments",
]
