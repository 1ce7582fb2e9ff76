"""Running out of memory, reported as such: PyTorch raises a RuntimeError for it on a CPU, and Python may go on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

_OUT_OF_MEMORY = re.compile(r"can't allocate memory|out of memory|[Ss]torage size calculation overflowed")


@contextmanager
def told_when_memory_runs_out() -> Iterator[None]:
    """Raises a MemoryError in place of what PyTorch raises when there is no memory for a tensor.

    Raises:
        MemoryError: With PyTorch's own words on how much was asked for.
    """
    try:
        yield
    except RuntimeError as error:
        if not _OUT_OF_MEMORY.search(str(error)):
            raise
        words = " ".join(str(error).split())
        raise MemoryError(f"({words[:200]})") from error
