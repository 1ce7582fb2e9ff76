"""Reports running out of memory as such: PyTorch raises a RuntimeError for it on a CPU."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

_OUT_OF_MEMORY = re.compile(r"can't allocate memory|out of memory|[Ss]torage size calculation overflowed")


@contextmanager
def told_when_memory_runs_out() -> Iterator[None]:
    """Raises a MemoryError in place of PyTorch's error when there is not enough memory for a tensor.

    Raises:
        MemoryError: With PyTorch's own message about the requested size.
    """
    try:
        yield
    except RuntimeError as error:
        if not _OUT_OF_MEMORY.search(str(error)):
            raise
        words = " ".join(str(error).split())
        raise MemoryError(f"({words[:200]})") from error
