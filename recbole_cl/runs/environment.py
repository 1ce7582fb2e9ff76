"""Describes the software and hardware of a run, for the run folder."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from recbole_cl.distributed.processes import world

_PACKAGES = ("recbole-cl", "recbole", "torch", "numpy", "pandas", "scipy")


def describe_environment(device: torch.device) -> dict[str, Any]:
    """Versions and hardware that results depend on.

    Args:
        device: Where the run trains.

    Returns:
        Plain values: interpreter, packages, commit, operating system, processor, threads, settings of malloc, device.
    """
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else _processor()
    return {
        "python": platform.python_version(),
        "packages": {package: _version(package) for package in _PACKAGES},
        "commit": _own_commit(),
        "system": platform.platform(),
        "threads": torch.get_num_threads(),
        "malloc": os.environ.get("GLIBC_TUNABLES"),
        "device": device.type,
        "device_name": name,
        **({"processes": world().size} if world().size > 1 else {}),
    }


def peak_memory(device: torch.device) -> int | None:
    """The largest number of bytes that this process has held so far: of GPU memory, or else of main memory.

    Args:
        device: The device that it trains on.

    Returns:
        None where the system does not report it.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        import resource
    except ImportError:  # on Windows
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def commit_of(file: Path) -> str | None:
    """Returns the git commit that a file was read from.

    Args:
        file: A source file.

    Returns:
        Twelve digits, followed by ``-dirty`` if tracked files differ from the commit; None if git is not installed or
            does not track the file (such as an installed package, even one inside somebody's repository).
    """
    try:
        _git(file.parent, "ls-files", "--error-unmatch", file.name)
        return _git(file.parent, "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*")
    except (OSError, subprocess.SubprocessError):
        return None


@cache
def _own_commit() -> str | None:
    """The commit of this package when the process started."""
    return commit_of(Path(__file__))


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, timeout=10, check=True)
    return done.stdout.strip()


@cache
def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor()
