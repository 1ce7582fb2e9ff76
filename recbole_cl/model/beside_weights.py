"""State that RecBole's models keep in addition to their weights, as the tensors and plain values of a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

# Step counters by which some models anneal a weight, and which they do not declare.
_COUNTERS = ("update", "update_count", "update_count_vae")


def plain_state(model: Any, declared: Mapping[str, Any]) -> dict[str, Any]:
    """The state of a RecBole model in addition to its weights, without objects. Modules are dropped: weights are kept.

    Args:
        model: The model.
        declared: The model's ``other_parameter``: tensors, plain values, arrays, sparse matrices and modules by name.

    Returns:
        Tensors and plain values by name.
    """
    counters = {name: getattr(model, name) for name in _COUNTERS if isinstance(getattr(model, name, None), int)}
    return counters | {name: _plain(value) for name, value in declared.items() if not isinstance(value, nn.Module)}


def put_back(model: Any, state: Mapping[str, Any] | None) -> None:
    """Restores the output of ``plain_state``, each value in the form that the model uses for it.

    Args:
        model: As its constructor left it, or later.
        state: None restores nothing.

    Raises:
        ValueError: If an array has another shape than in the model, as with other users.
    """
    for name, value in (state or {}).items():
        before = getattr(model, name)
        now = _as_before(value, before)
        theirs, here = (tuple(getattr(it, "shape", ())) for it in (now, before))
        if theirs and here and theirs != here:
            raise ValueError(f"{name} has shape {theirs}, here {here}")
        setattr(model, name, now)


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
