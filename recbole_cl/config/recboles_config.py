"""RecBole's configuration, imported without scikit-learn, of which it calls three functions that no run here needs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any

_METRICS = "sklearn.metrics"  # half a second and more; of a value-based metric, such as AUC or MAE, alone


@contextmanager
def _sklearn_when_called() -> Iterator[None]:
    """While modules are imported in the block, what they take from scikit-learn imports it when it is called.

    Nothing of it stays: who imports scikit-learn later gets the real one.
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
