"""Keeping freed memory in the process, so that the tensors of the next step cost no page faults."""

from __future__ import annotations

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4  # malloc.h of glibc
_TOP_PAD = 64 << 20


def keep_freed_memory() -> bool:
    """Tells glibc's malloc to reuse freed blocks instead of returning them to the system.

    By default blocks of more than a few MB are mapped anew for every tensor and unmapped after it: each step then
    pays for zeroing and mapping all its pages again, which costs CPU training up to half of its time. The price is
    that the process keeps its peak memory until it ends.

    Returns:
        Whether it took effect: False where the C library is not glibc.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    settings = ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, 2**31 - 1), (_M_TOP_PAD, _TOP_PAD))
    return all(mallopt(option, value) == 1 for option, value in settings)
