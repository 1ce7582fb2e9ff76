"""What a run ran on, for its ``environment.json``."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

_PACKAGES = ("recbole-cl", "recbole", "torch", "numpy", "pandas", "scipy")


def describe_environment(device: torch.device) -> dict[str, Any]:
    """Versions and hardware that a figure depends on.

    Args:
        device: Where the run trains.

    Returns:
        Plain values: interpreter, packages, operating system, processor, threads, device.
    """
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else _processor()
    return {
        "python": platform.python_version(),
        "packages": {package: _version(package) for package in _PACKAGES},
        "system": platform.platform(),
        "threads": torch.get_num_threads(),
        "device": device.type,
        "device_name": name,
    }


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
