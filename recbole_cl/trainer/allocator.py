"""Keeping freed memory in the process, so that the tensors of the next step cost no page faults."""

from __future__ import annotations

import ctypes
import sys
from typing import Any

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX, _ARENA_MAX = -1, -2, -4, -8  # malloc.h of glibc


def keep_freed_memory() -> bool:
    """Tells glibc's malloc to reuse freed blocks instead of returning them to the system.

    By default blocks of more than a few MB are mapped anew for every tensor and unmapped after it: each step then
    pays for zeroing and mapping all its pages again, which costs CPU training up to half of its time. One arena, since
    tensors are made in the thread of the forward pass and freed in that of the backward pass, and the other way round.

    Returns:
        Whether it took effect: False where the C library is not glibc.
    """
    mallopt = _libc_function("mallopt")
    if mallopt is None:
        return False
    settings = ((_ARENA_MAX, 1), (_MMAP_MAX, 0), (_TRIM_THRESHOLD, 2**31 - 1), (_TOP_PAD, 64 << 20))
    return all(mallopt(option, value) == 1 for option, value in settings)


def release_freed_memory() -> None:
    """Returns what malloc holds and nobody uses, fragments included; once an epoch this costs nothing."""
    malloc_trim = _libc_function("malloc_trim")
    if malloc_trim is not None:
        malloc_trim(0)


def _libc_function(name: str) -> Any:
    return getattr(ctypes.CDLL(None), name, None) if sys.platform.startswith("linux") else None
