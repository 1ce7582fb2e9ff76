"""Following a run by what it logs: to note what it does, or to interrupt it at a certain place."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class _Watch(logging.Handler):
    def __init__(self, see: Callable[[str], None]) -> None:
        super().__init__()
        self._see = see

    def emit(self, record: logging.LogRecord) -> None:
        self._see(record.getMessage())


@contextmanager
def watching(see: Callable[[str], None]) -> Iterator[None]:
    """Shows every message of runs in the block to a function, before it reaches log and terminal."""
    handler = _Watch(see)
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)


@contextmanager
def interrupted_at(words: str, time: int = 1) -> Iterator[None]:
    """Presses Ctrl+C when a run in the block says certain words for a given time."""
    times = 0

    def see(message: str) -> None:
        nonlocal times
        times += words in message
        if times == time and words in message:
            raise KeyboardInterrupt

    with watching(see):
        yield
    assert times >= time, f"nothing said {words!r}"
