"""What RecBole's models keep beside their weights, as tensors and plain values, which alone checkpoints hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

# Steps that some models anneal a weight by, and do not declare.
_COUNTERS = ("update", "update_count", "update_count_vae")


def plain_state(model: Any, declared: Mapping[str, Any]) -> dict[str, Any]:
    """What a model of RecBole's keeps beside its weights, without objects; modules, whose weights are kept, go.

    Args:
        model: The model.
        declared: What its ``other_parameter`` gives: tensors, plain values, arrays, sparse matrices, modules by name.

    Returns:
        Tensors and plain values by name.
    """
    counters = {name: getattr(model, name) for name in _COUNTERS if isinstance(getattr(model, name, None), int)}
    return counters | {name: _plain(value) for name, value in declared.items() if not isinstance(value, nn.Module)}


def put_back(model: Any, state: Mapping[str, Any] | None) -> None:
    """Sets what ``plain_state`` gave, each in the form that the model has under that name.

    Args:
        model: As its constructor left it, or later.
        state: None sets nothing.
    """
    for name, value in (state or {}).items():
        setattr(model, name, _as_before(value, getattr(model, name)))


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return torch.from_numpy(np.ascontiguousarray(value))
    if isinstance(value, np.generic):
        return value.item()
    if hasattr(value, "tocoo"):  # a sparse matrix of scipy's
        entries = value.tocoo()
        return {
            "row": torch.from_numpy(entries.row.astype(np.int64)),
            "column": torch.from_numpy(entries.col.astype(np.int64)),
            "value": torch.from_numpy(entries.data),
            "shape": [int(size) for size in value.shape],
        }
    return value


def _as_before(value: Any, before: Any) -> Any:
    if isinstance(before, np.ndarray):
        return value.cpu().numpy()
    if hasattr(before, "tocoo"):
        from scipy.sparse import coo_matrix

        row, column, entries = (value[key].cpu().numpy() for key in ("row", "column", "value"))
        return coo_matrix((entries, (row, column)), shape=tuple(value["shape"])).asformat(before.format)
    return value
