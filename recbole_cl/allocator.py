"""Memory on the processor: how torch asks the C library for it, and how it goes back to the system.

The batches of a training differ in shape. glibc's ``malloc`` before 2.38 seldom finds a place for an aligned tensor
among the freed ones of nearly its size, so its heap grows by gigabytes an epoch while a fraction of it is in use.
"""

from __future__ import annotations

import ctypes
import os

_TORCH_HUGE_PAGES = "THP_MEM_ALLOC_ENABLE"


def ask_for_huge_pages() -> None:
    """Has torch place large tensors on huge pages, where Linux offers them; to be called before torch is imported.

    Torch then aligns those of 2 MB and more to whole pages, of which freed ones fit again, and the system hands memory
    out in fewer and larger pieces: less memory in less time (``results/speed.md``). A value set by the user stays.
    """
    os.environ.setdefault(_TORCH_HUGE_PAGES, "1")


def give_back_freed_memory() -> None:
    """Returns to the system what the heap holds free; does nothing where the C library cannot (only glibc can)."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None
    if trim is not None:
        trim(0)
