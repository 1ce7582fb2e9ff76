"""Pretrained item vectors: read by token, and aligned with a dataset's items.

Letters: V vectors of a file, N items (padding row 0 included), P values of a vector.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from logging import getLogger
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recbole_cl.errors import UsageError

_FORMS = ".npz with the arrays tokens [V] (text) and vectors [V, P], or .parquet with the columns token and vector"


def pretrained_vectors(dataset: Any, path: str | None) -> tuple[Tensor, Tensor] | None:
    """The vectors of a dataset's items, from a file or from RecBole's ``preload_weight``.

    Args:
        dataset: RecBole's or ours.
        path: The file; None for the vectors that ``preload_weight`` loaded.

    Returns:
        Vectors, zeros where an item has none, [N, P] in float32; and a mask of the items that have one, [N]. None if
            neither source is set.

    Raises:
        UsageError: If the file has another form, a duplicate token or values that are not numbers, or contains none of
            the items.
    """
    preloaded: dict[str, NDArray[np.float64]] = getattr(dataset, "_preloaded_weight", {})
    if path is None and not preloaded:
        return None
    n_items = dataset.num(dataset.iid_field)
    if path is not None:
        tokens, vectors = read_vectors(Path(path))
        place = {token: row for row, token in enumerate(tokens)}
        row = np.array([-1, *(place.get(str(token), -1) for token in dataset.field2id_token[dataset.iid_field][1:])])
        found = np.where((row >= 0)[:, None], vectors[row], 0)
        has = row >= 0
    else:
        path = f"preload_weight of {', '.join(preloaded)}"
        fields = [field for field in preloaded if field in dataset.alias["item_id"]]
        if len(fields) != 1:
            raise UsageError(f"{path}: expected one column of items; name it in alias_of_item_id")
        found = preloaded[fields[0]].reshape(n_items, -1)
        has = np.isin(np.arange(n_items), dataset.field2feats(fields[0])[0][fields[0]])
    if not has.any():
        raise UsageError(
            f"{path}: it has a vector of none of the {n_items - 1:,} items: are these the data's own tokens?"
        )
    getLogger().info(
        f"{int(has.sum()):,} of {n_items - 1:,} items have a pretrained vector, of {found.shape[1]} values"
    )
    return torch.from_numpy(found.astype(np.float32)), torch.from_numpy(has)


def read_vectors(path: Path) -> tuple[list[str], NDArray[np.float32]]:
    """Reads a file of vectors.

    Args:
        path: ``.npz`` or ``.parquet``.

    Returns:
        Tokens [V], and vectors [V, P].

    Raises:
        UsageError: If it has another form, a duplicate token, or a value that is not finite.
    """
    try:
        tokens, rows = _parquet(path) if path.suffix == ".parquet" else _npz(path)
        vectors = np.asarray(rows, dtype=np.float32)
    except ImportError:
        raise UsageError(f"{path}: Parquet needs the package pyarrow: pip install 'recbole_cl[files]'") from None
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise UsageError(f"pretrained_items = {path}: {error}; expected {_FORMS}") from None
    if vectors.ndim != 2 or len(vectors) != len(tokens) or not vectors.size:
        shape = f"{len(tokens)} tokens and vectors of shape {list(vectors.shape)}"
        raise UsageError(f"pretrained_items = {path}: {shape}; expected {_FORMS}")
    if len(set(tokens)) < len(tokens):
        raise UsageError(f"pretrained_items = {path}: {len(tokens) - len(set(tokens)):,} tokens occur twice")
    if not np.isfinite(vectors).all():
        row = int((~np.isfinite(vectors)).any(axis=1).argmax())
        raise UsageError(f"pretrained_items = {path}: the vector of {tokens[row]!r} has a value that is not a number")
    return tokens, vectors


def _text(token: Any) -> str:
    return token.decode() if isinstance(token, bytes) else str(token)


def _npz(path: Path) -> tuple[list[str], Any]:
    with np.load(path, allow_pickle=False) as file:
        if not isinstance(file, np.lib.npyio.NpzFile):
            raise ValueError("it is a single array")
        return [_text(token) for token in file["tokens"]], file["vectors"]


def _parquet(path: Path) -> tuple[list[str], Sequence[Any]]:
    from pyarrow import parquet

    table = parquet.read_table(path, columns=["token", "vector"])
    return [_text(token) for token in table["token"].to_pylist()], table["vector"].to_pylist()
