"""Memory on the processor: how torch asks the C library for it, and how it goes back to the system.

The batches of a training differ in shape. glibc's ``malloc`` before 2.38 seldom finds a place for an aligned tensor
among the freed ones of nearly its size, so its heap grows by gigabytes an epoch while a fraction of it is in use; and
small freed pieces, which it keeps apart for quick reuse, cut the rest into more and more parts, among which it searches
longer from epoch to epoch.
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from pathlib import Path

_TORCH_HUGE_PAGES = "THP_MEM_ALLOC_ENABLE"
_GLIBC = "GLIBC_TUNABLES"
_GPU = Path("/dev/nvidiactl")  # torch, which knows, is not imported yet

# What glibc's malloc is asked for, since it reads it when a process starts: freed pieces of any size join their free
# neighbours (no caches of small ones), up to 1 GB of freed memory stays with the process between two steps instead of
# going back and forth, but what takes 32 MB and more is mapped by itself, and all lies on huge pages.
TUNABLES = ":".join(
    f"glibc.malloc.{name}={value}"
    for name, value in {
        "tcache_count": 0,
        "mxfast": 0,
        "trim_threshold": 2**30,
        "mmap_threshold": 2**25,
        "top_pad": 2**26,
        "hugetlb": 1,
    }.items()
)


def restart_with_tuned_malloc(gpu: Path = _GPU) -> None:
    """Re-executes this process with ``TUNABLES``: for a program to call first, before it has done anything.

    An epoch of DuoRec on Amazon Beauty takes 15 seconds so, the last as the first, instead of 17 in the beginning and
    23 later (``results/speed.md``). Nothing happens where ``GLIBC_TUNABLES`` is set, even to nothing, where the C
    library is no glibc, in an interactive session or for a program read from standard input (``python -``), which would
    be lost, or under a debugger; nor on a machine with an NVIDIA GPU, where the host makes more small objects than
    large tensors, and nothing was measured. The process keeps its number and its arguments.

    Args:
        gpu: Exists on a machine with an NVIDIA GPU.
    """
    typed = sys.flags.interactive or sys.argv[:1] in ([], [""], ["-"]) or "IPython" in sys.modules
    watched = sys.gettrace() is not None or {"bdb", "pydevd"} & sys.modules.keys()
    restartable = platform.libc_ver()[0] == "glibc" and sys.executable and not typed and not watched
    if _GLIBC in os.environ or not restartable or gpu.exists():
        return
    os.environ[_GLIBC] = TUNABLES
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


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
