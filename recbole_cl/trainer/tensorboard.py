"""Writes TensorBoard's event file, chooses its folder, and tells statistics of an epoch."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from logging import Logger
from pathlib import Path
from typing import Any

import recbole.trainer.trainer as recbole_trainer
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

from recbole_cl.distributed.processes import world


class EventFile:
    """An event file with scalars, without the thread of TensorBoard's writer, which a signal can leave waiting."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / f"events.out.tfevents.{time.time():017.6f}.{socket.gethostname()}.{os.getpid()}"
        self._records = RecordWriter(self._path.open("xb"))
        self._write(file_version="brain.Event:2")

    def add_scalar(self, tag: str, value: float, step: int) -> None:
        """Adds a value, as ``SummaryWriter`` does."""
        self._write(step=step, summary=Summary(value=[Summary.Value(tag=tag, simple_value=float(value))]))

    def flush(self) -> None:
        """Writes everything so far to the disk."""
        self._named(self._records.flush)

    def close(self) -> None:
        """Closes the file; further calls do nothing."""
        self._named(self._records.close)

    def _write(self, **content: Any) -> None:
        self._named(self._records.write, Event(wall_time=time.time(), **content).SerializeToString())

    def _named(self, operation: Callable[..., object], *content: bytes) -> None:
        """Does a file operation; if the system refuses it, as on a full disk, the error names the file."""
        try:
            operation(*content)
        except OSError as error:
            error.filename = str(self._path)
            raise


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
    recbole_trainer.get_tensorboard = lambda logger: _Nowhere() if world().rank else EventFile(folder)
    try:
        yield
    finally:
        recbole_trainer.get_tensorboard = original


def write_diagnostics(board: EventFile, values: Mapping[str, float], epoch: int, logger: Logger) -> None:
    """Writes a model's statistics of an epoch to TensorBoard and the log; points of curves (/) not to the log."""
    write_scalars(board, "diagnostics", values, epoch)
    told = [f"{key} {value:.4f}" for key, value in values.items() if "/" not in key]
    if told:
        logger.info(f"epoch {epoch}: {', '.join(told)}")


def write_scalars(board: EventFile, group: str, values: Mapping[str, float], epoch: int) -> None:
    """Writes the values of an epoch, each as ``<group>/<name>``."""
    for name, value in values.items():
        board.add_scalar(f"{group}/{name}", value, epoch)
