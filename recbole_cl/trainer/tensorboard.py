"""Where TensorBoard's event file lies, and the figures that go into it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import recbole.trainer.trainer as recbole_trainer
from torch.utils.tensorboard import SummaryWriter

from recbole_cl.distributed.processes import world


class _Nowhere:
    """Takes the place of the event file on all processes of a run but the first."""

    def add_scalar(self, *_: Any) -> None:
        """Writes nothing."""

    def flush(self) -> None:
        """Has nothing to flush."""

    def close(self) -> None:
        """Has nothing to close."""


@contextmanager
def tensorboard_in(folder: Path) -> Iterator[None]:
    """RecBole's trainer opens its event file under ./log_tensorboard, which can't be set; here it goes to a folder.

    Args:
        folder: Where trainers that are built in the block write their events.
    """
    original = recbole_trainer.get_tensorboard
    recbole_trainer.get_tensorboard = lambda logger: _Nowhere() if world().rank else SummaryWriter(str(folder))
    try:
        yield
    finally:
        recbole_trainer.get_tensorboard = original


def write_scalars(board: SummaryWriter, group: str, values: Mapping[str, float], epoch: int) -> None:
    """Writes the figures of an epoch, each as ``<group>/<name>``."""
    for name, value in values.items():
        board.add_scalar(f"{group}/{name}", value, epoch)
