"""Main memory: how torch requests it from the C library, and how it is returned to the system.

The batches of a training differ in shape. glibc's ``malloc`` before 2.38 seldom finds space for an aligned tensor among
    freed ones of nearly the same size. So its heap grows by gigabytes per epoch while only a fraction of it is in use.
    It also keeps small freed pieces apart for quick reuse. They divide the rest into more and more parts, which it has
    to search longer and longer from epoch to epoch.
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from pathlib import Path

_TORCH_HUGE_PAGES = "THP_MEM_ALLOC_ENABLE"
_GLIBC = "GLIBC_TUNABLES"
_GPU = Path("/dev/nvidiactl")  # torch, which could tell, has not been imported yet

# Settings for glibc's malloc, which reads them when a process starts. Freed pieces of any size are merged with their
# free neighbours (no caches of small ones). Up to 1 GB of freed memory stays with the process between two steps,
# instead of being returned and requested again. Blocks of 32 MB and more are mapped separately. Everything is placed on
# huge pages.
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
    """Re-executes this process with ``TUNABLES``; a program must call it first, before it has done anything.

    With it, every epoch of DuoRec on Amazon Beauty takes 15 seconds; without it, 17 at first and 23 later
        (``results/speed.md``). Nothing happens in these cases: ``GLIBC_TUNABLES`` is set, even to an empty text; the C
        library is not glibc; the session is interactive; the program is read from standard input (``python -``) and
        would be lost; or a debugger is attached. Nothing happens on a machine with an NVIDIA GPU either: there the host
        makes more small objects than large tensors, and nothing was measured. The process keeps its id and its
        arguments.

    Args:
        gpu: This path exists on a machine with an NVIDIA GPU.
    """
    typed = sys.flags.interactive or sys.argv[:1] in ([], [""], ["-"]) or "IPython" in sys.modules
    watched = sys.gettrace() is not None or {"bdb", "pydevd"} & sys.modules.keys()
    restartable = platform.libc_ver()[0] == "glibc" and sys.executable and not typed and not watched
    if _GLIBC in os.environ or not restartable or gpu.exists():
        return
    os.environ[_GLIBC] = TUNABLES
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def ask_for_huge_pages() -> None:
    """Makes torch place large tensors on huge pages, where Linux offers them; call this before torch is imported.

    Torch then aligns tensors of 2 MB and more to whole pages, so that freed ones can be reused, and the system hands
    out memory in fewer and larger pieces: less memory in less time (``results/speed.md``). A value set by the user
    stays.
    """
    os.environ.setdefault(_TORCH_HUGE_PAGES, "1")


def give_back_freed_memory() -> None:
    """Returns free memory of the heap to the system; does nothing if the C library cannot (only glibc can)."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None
    if trim is not None:
        trim(0)
