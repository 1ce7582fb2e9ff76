"""The allocator's settings take effect where there is glibc, and change no number."""

from __future__ import annotations

import platform

import torch

from recbole_cl.trainer.allocator import keep_freed_memory, release_freed_memory


def resident_mb() -> float:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * 4096 / 1e6


def test_freed_memory_is_kept_and_can_be_released() -> None:
    if platform.libc_ver()[0] != "glibc":
        assert not keep_freed_memory()
        return
    assert keep_freed_memory()
    blocks = [torch.ones(5_000_000) for _ in range(10)]  # 20 MB each
    del blocks
    kept = resident_mb()
    release_freed_memory()
    assert resident_mb() < kept - 150
