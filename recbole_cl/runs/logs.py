"""Logging of a run: whole to its folder, and to the terminal what a person reads."""

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
    """Leaves out RecBole's colours: pipes, files and notebooks would show their codes."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(_COLOUR.sub("", super().format(record)))


class _File(logging.FileHandler):
    """The log file, whose disk may be full: the run then fails at its next checkpoint, and says so."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        pass

    def close(self) -> None:
        with suppress(OSError):
            super().close()


class _Terminal(logging.Handler):
    """Standard error, above the progress bars; what is for the file alone is left out."""

    def emit(self, record: logging.LogRecord) -> None:
        if not hasattr(record, FOR_THE_FILE):
            tqdm.write(self.format(record), file=sys.stderr)


@contextmanager
def logging_to(path: Path, level: str = "INFO", terminal_level: str | None = None) -> Iterator[None]:
    """Sends the root logger, to which RecBole writes, to the terminal and to a file while the block runs.

    RecBole's ``init_logger`` would write under ./log and keep its handlers for good.

    Args:
        path: The log file; lines are appended.
        level: DEBUG, INFO, WARNING, ERROR or CRITICAL, in any case.
        terminal_level: What the terminal shows, where that is less.
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
