"""Logging of a run: everything to a file in its folder, and what a person needs to the terminal."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tqdm import tqdm

from recbole_cl.text import printable
from recbole_cl.trainer.console import FOR_THE_FILE

_COLOUR = re.compile(r"\x1B\[[0-9;]*m")


class _Plain(logging.Formatter):
    """Removes RecBole's colours, whose codes would be visible in pipes, files and notebooks."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(_COLOUR.sub("", super().format(record)))


class _File(logging.FileHandler):
    """The log file. If the disk is full, no error is raised here: the run's next checkpoint fails with a message."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        pass

    def close(self) -> None:
        with suppress(OSError):
            super().close()


class _Terminal(logging.Handler):
    """Standard error, above the progress bars; skips lines that are meant for the file only."""

    def emit(self, record: logging.LogRecord) -> None:
        if not hasattr(record, FOR_THE_FILE):
            tqdm.write(self.format(record), file=sys.stderr)


@contextmanager
def logging_to(path: Path, level: str = "INFO", terminal_level: str | None = None) -> Iterator[None]:
    """While the block runs, sends the root logger, which RecBole uses, to the terminal and to a file.

    RecBole's own ``init_logger`` would write to ./log and never remove its handlers.

    Args:
        path: The log file; lines are appended.
        level: DEBUG, INFO, WARNING, ERROR or CRITICAL, case-insensitive.
        terminal_level: The level for the terminal, if it should show less.
    """
    root = logging.getLogger()
    before = root.level
    file, terminal = _File(path, encoding="utf-8", errors="backslashreplace"), _Terminal()
    file.setFormatter(_Plain("%(asctime)s %(levelname)s %(message)s"))
    terminal.setFormatter(_Plain("%(asctime)s %(message)s", "%H:%M:%S"))
    terminal.setLevel((terminal_level or level or "INFO").upper())
    for handler in (file, terminal):
        root.addHandler(handler)
    root.setLevel((level or "INFO").upper())
    try:
        yield
    finally:
        for handler in (file, terminal):
            root.removeHandler(handler)
            handler.close()
        root.setLevel(before)
