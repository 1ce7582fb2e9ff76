"""Checkpoints of tensors and plain values, written whole or not at all, and loaded without unpickling objects."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch

from recbole_cl.errors import UsageError
from recbole_cl.writing import atomic_writer

FIRST_STAGE = "pretrained.pth"  # the weights that a first stage has ended with, beside the other checkpoints


def save_checkpoint(state: dict[str, Any], path: Path) -> None:
    """Writes a checkpoint to a temporary name beside ``path`` and renames it.

    Args:
        state: Tensors, numbers, strings, None, and lists, tuples and dicts of these.
        path: The file; an existing one is replaced in one step.
    """
    with atomic_writer(path) as file:
        torch.save(state, file)


def load_checkpoint(path: Path, device: torch.device | str = "cpu") -> dict[str, Any]:
    """Reads a checkpoint, refusing any that holds more than tensors and plain values.

    Args:
        path: A ``best.pth`` or ``last.pth`` of a run folder.
        device: Where to put its tensors.

    Returns:
        The state that was saved.

    Raises:
        UsageError: If the file is missing, is no checkpoint of ours, or asks to unpickle an object.
    """
    if not path.is_file():
        raise UsageError(f"no checkpoint at {path}: give the folder of a run, or its last.pth")
    try:
        state = torch.load(path, map_location=device, weights_only=True)
    except pickle.UnpicklingError:
        raise UsageError(
            f"{path} is refused: it is no checkpoint of tensors and plain values, and loading anything else could run "
            "code (plain RecBole's checkpoints are such: train the model again)"
        ) from None
    except (RuntimeError, EOFError, OSError) as error:
        raise UsageError(f"{path} is damaged: {' '.join(str(error).split()) or 'it is empty'}") from None
    if not isinstance(state, dict) or "state_dict" not in state:
        raise UsageError(f"{path} is no checkpoint of a run: it has no state_dict")
    return state
