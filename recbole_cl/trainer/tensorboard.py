"""Writes TensorBoard's event file, chooses its folder, and tells statistics of an epoch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from logging import Logger
from pathlib import Path
from typing import Any

import recbole.trainer.trainer as recbole_trainer
from torch.utils.tensorboard import SummaryWriter

from recbole_cl.distributed.processes import world


class _Nowhere:
    """Replaces the event file in all processes of a run except the first."""

    def add_scalar(self, *_: Any) -> None:
        """Does nothing."""

    def flush(self) -> None:
        """Does nothing."""

    def close(self) -> None:
        """Does nothing."""


@contextmanager
def tensorboard_in(folder: Path) -> Iterator[None]:
    """RecBole's trainer always opens its event file under ./log_tensorboard; this redirects it to another folder.

    Args:
        folder: Folder in which trainers built in the block write their events.
    """
    original = recbole_trainer.get_tensorboard
    recbole_trainer.get_tensorboard = lambda logger: _Nowhere() if world().rank else SummaryWriter(str(folder))
    try:
        yield
    finally:
        recbole_trainer.get_tensorboard = original


def write_diagnostics(board: SummaryWriter, values: Mapping[str, float], epoch: int, logger: Logger) -> None:
    """Writes a model's statistics of an epoch to TensorBoard and the log; points of curves (/) not to the log."""
    write_scalars(board, "diagnostics", values, epoch)
    told = [f"{key} {value:.4f}" for key, value in values.items() if "/" not in key]
    if told:
        logger.info(f"epoch {epoch}: {', '.join(told)}")


def write_scalars(board: SummaryWriter, group: str, values: Mapping[str, float], epoch: int) -> None:
    """Writes the values of an epoch, each as ``<group>/<name>``."""
    for name, value in values.items():
        board.add_scalar(f"{group}/{name}", value, epoch)
