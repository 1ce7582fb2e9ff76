"""Logging of a run: to the terminal and, without colours, to its folder."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_COLOUR = re.compile(r"\x1B\[[0-9;]*m")


class _Plain(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return _COLOUR.sub("", super().format(record))


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
    file, terminal = logging.FileHandler(path, encoding="utf-8"), logging.StreamHandler()
    file.setFormatter(_Plain("%(asctime)s %(levelname)s %(message)s"))
    terminal.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S"))
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
