"""One process at a time in a run folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from recbole_cl.errors import UsageError

LOCK = ".lock"  # exists while a process works in the folder


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keeps other processes, even on other machines that share the folder, out of it while the block runs.

    The operating system releases the lock when its process ends, however it ends. A process that already holds the lock
    may take it again.

    Args:
        folder: A run folder, which exists.

    Raises:
        UsageError: If another process holds the lock; this one does not wait.
    """
    lock = FileLock(folder / LOCK, is_singleton=True)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UsageError(f"{folder}: another process is at work in it; wait until it is done, or end it") from None
    try:
        yield
    finally:
        lock.release()
