"""Checkpoints of tensors and plain values, written completely or not at all, and loaded without unpickling objects."""

from __future__ import annotations

import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch

from recbole_cl.errors import UsageError
from recbole_cl.writing import atomic_writer

FIRST_STAGE = "pretrained.pth"  # the weights at the end of a first stage, next to the other checkpoints
_SAFE_LOADING = (2, 10)  # CVE-2026-24747: before 2.10, crafted tensors write outside their memory, even if weights_only


def save_checkpoint(state: dict[str, Any], path: Path) -> None:
    """Writes a checkpoint to a temporary name next to ``path`` and renames it.

    Args:
        state: For ``load_checkpoint``: tensors, numbers, strings, None, and lists, tuples and dicts of these.
        path: The file; an existing one is replaced in one step.
    """
    with atomic_writer(path) as file:
        try:
            torch.save(state, file)
        except RuntimeError as error:  # torch's writer raises it after a refused write, and after a signal
            cause = error.__context__
            raise cause if isinstance(cause, OSError | KeyboardInterrupt) else error  # noqa: B904


def load_checkpoint(path: Path, device: torch.device | str = "cpu") -> dict[str, Any]:
    """Reads a checkpoint; refuses any that holds more than tensors and plain values.

    Args:
        path: A ``best.pth`` or ``last.pth`` of a run folder.
        device: Device for its tensors.

    Returns:
        The saved state.

    Raises:
        UsageError: If the file is missing, is not one of our checkpoints, is damaged in any relevant byte, or asks to
            unpickle an object; or if it belongs to another user and the PyTorch version is not safe against crafted
            files.
    """
    if not path.is_file():
        raise UsageError(f"no checkpoint at {path}: give the folder of a run, or its last.pth")
    _refuse_foreign(path)
    _refuse_damaged(path)
    try:
        state = torch.load(path, map_location=device, weights_only=True)
    except pickle.UnpicklingError:
        raise UsageError(
            f"{path} is refused: it is no checkpoint of tensors and plain values, and loading anything else could run "
            "code (plain RecBole's checkpoints are such: train the model again)"
        ) from None
    except (RuntimeError, EOFError, OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise _damaged(path, error) from None
    if not isinstance(state, dict) or "state_dict" not in state:
        raise UsageError(f"{path} is no checkpoint of a run: it has no state_dict")
    return state


def _refuse_damaged(path: Path) -> None:
    """Compares every member of the file with its checksum, which PyTorch writes but does not check."""
    try:
        with zipfile.ZipFile(path) as file:
            members = file.infolist()
            if any(it.compress_type != zipfile.ZIP_STORED for it in members):
                raise zipfile.BadZipFile("it is compressed, unlike our checkpoints")
            if sum(it.file_size for it in members) > path.stat().st_size:
                raise zipfile.BadZipFile("it is shorter than it declares")
            if wrong := file.testzip():
                raise zipfile.BadZipFile(f"{wrong} has another checksum")
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError, EOFError, LookupError) as error:
        raise _damaged(path, error) from None


def _refuse_foreign(path: Path) -> None:
    version = tuple(int(part) for part in torch.__version__.split(".")[:2])
    if version < _SAFE_LOADING and hasattr(os, "getuid") and path.stat().st_uid != os.getuid():
        raise UsageError(
            f"{path} belongs to another user, and a crafted checkpoint can run code in PyTorch {torch.__version__} "
            "(CVE-2026-24747): upgrade to 2.10 or later; or copy the file if you trust who made it"
        )


def _damaged(path: Path, error: Exception) -> UsageError:
    words = " ".join(str(error).split())[:200] or "it is empty"
    return UsageError(f"{path} is damaged, or no checkpoint of a run: {words}; restore it, or train again")
