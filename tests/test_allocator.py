"""Memory of the process: huge pages asked for in time, freed memory given back."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from recbole_cl import allocator
from recbole_cl.allocator import TUNABLES, ask_for_huge_pages, give_back_freed_memory, restart_with_tuned_malloc

_SWITCH = Path("/sys/kernel/mm/transparent_hugepage/enabled")

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

_TENSOR_AFTER_IMPORT = """
import recbole_cl
import torch
tensor = torch.ones(16 << 20)
print(next(line.split()[1] for line in open("/proc/self/smaps_rollup") if line.startswith("AnonHugePages")))
"""


def _huge_kilobytes(**environment: str) -> int:
    unset = {
        name: value for name, value in os.environ.items() if name not in ("THP_MEM_ALLOC_ENABLE", "GLIBC_TUNABLES")
    }
    command = [sys.executable, "-c", _TENSOR_AFTER_IMPORT]
    return int(subprocess.run(command, env=unset | environment, capture_output=True, text=True, check=True).stdout)


@pytest.mark.slow
@linux
@pytest.mark.skipif(
    not _SWITCH.is_file() or "[madvise]" not in _SWITCH.read_text(), reason="huge pages are not to be asked for here"
)
def test_tensors_lie_on_huge_pages_unless_the_user_objects() -> None:
    assert _huge_kilobytes() >= 60_000  # of 65,536
    assert _huge_kilobytes(THP_MEM_ALLOC_ENABLE="0") < 10_000


def test_a_value_of_the_user_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THP_MEM_ALLOC_ENABLE", "0")
    ask_for_huge_pages()
    assert os.environ["THP_MEM_ALLOC_ENABLE"] == "0"
    monkeypatch.delenv("THP_MEM_ALLOC_ENABLE")
    ask_for_huge_pages()
    assert os.environ["THP_MEM_ALLOC_ENABLE"] == "1"


_RESTARTED = """
import os, sys
from recbole_cl.allocator import restart_with_tuned_malloc
number = os.environ.setdefault("FIRST_PROCESS", str(os.getpid()))
restart_with_tuned_malloc()
print(os.environ.get("GLIBC_TUNABLES"), number == str(os.getpid()), sys.argv[1:])
"""


def _restarted(**environment: str) -> str:
    unset = {name: value for name, value in os.environ.items() if name != "GLIBC_TUNABLES"}
    command = [sys.executable, "-c", _RESTARTED, "--a=b c", "d"]
    return subprocess.run(command, env=unset | environment, capture_output=True, text=True, check=True).stdout


@pytest.mark.slow
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have no such settings")
def test_a_restart_keeps_process_and_arguments_and_happens_once() -> None:
    tunables = None if allocator._GPU.exists() else TUNABLES
    assert _restarted() == f"{tunables} True ['--a=b c', 'd']\n"
    assert _restarted(GLIBC_TUNABLES="glibc.malloc.check=0") == "glibc.malloc.check=0 True ['--a=b c', 'd']\n"


@pytest.mark.slow
@pytest.mark.parametrize("flags", [[], ["-"]])
def test_a_program_from_standard_input_is_not_lost(flags: list[str]) -> None:
    unset = {name: value for name, value in os.environ.items() if name != "GLIBC_TUNABLES"}
    done = subprocess.run([sys.executable, *flags], input=_RESTARTED, env=unset, capture_output=True, text=True)
    assert done.stdout == "None True []\n", done.stderr


def test_no_restart_without_glibc_or_under_a_debugger(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise AssertionError(arguments)

    monkeypatch.setattr(os, "execv", refuse)
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    for name, value in (
        ("gettrace", lambda: refuse),
        ("modules", {"bdb": None}),
        ("modules", {"IPython": None}),
        ("executable", ""),
    ):
        with monkeypatch.context() as other:
            other.setattr(sys, name, value)
            restart_with_tuned_malloc()
    restart_with_tuned_malloc(gpu=Path(__file__))
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    restart_with_tuned_malloc()
    assert "GLIBC_TUNABLES" not in os.environ


def _resident_megabytes() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


@linux
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have no such call")
def test_freed_memory_goes_back_to_the_system() -> None:
    held = [torch.ones(16 << 10) for _ in range(3_200)]  # 64 kB each, 200 MB: below what the heap maps by itself
    kept = held[::32] + held[-1:]  # the heap cannot shrink from its top
    before = _resident_megabytes()
    del held
    give_back_freed_memory()
    assert before - _resident_megabytes() > 150
    assert all(bool((tensor == 1).all()) for tensor in kept)
