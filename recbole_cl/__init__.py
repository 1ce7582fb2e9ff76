"""Contrastive learning for sequential recommendation, as a RecBole 1.2.1 plugin."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from recbole_cl.allocator import ask_for_huge_pages

if TYPE_CHECKING:
    from recbole_cl.data.files.dataframe import from_dataframe, from_files
    from recbole_cl.interop.register import register
    from recbole_cl.runs.result import RunResult
    from recbole_cl.runs.runner import run, run_seeds
    from recbole_cl.search.tune import SearchResult, tune
    from recbole_cl.serving.loaded import LoadedRun, load
    from recbole_cl.serving.package import Package, load_package
    from recbole_cl.suites.command import suite

ask_for_huge_pages()  # here, because torch reads it once, when it is imported

_HOMES = {
    "LoadedRun": "serving.loaded",
    "Package": "serving.package",
    "RunResult": "runs.result",
    "SearchResult": "search.tune",
    "from_dataframe": "data.files.dataframe",
    "from_files": "data.files.dataframe",
    "load": "serving.loaded",
    "load_package": "serving.package",
    "register": "interop.register",
    "run": "runs.runner",
    "run_seeds": "runs.runner",
    "suite": "suites.command",
    "tune": "search.tune",
}

__all__ = [
    "LoadedRun",
    "Package",
    "RunResult",
    "SearchResult",
    "from_dataframe",
    "from_files",
    "load",
    "load_package",
    "register",
    "run",
    "run_seeds",
    "suite",
    "tune",
]


def __getattr__(name: str) -> Any:
    """Imports the public functions on first use: RecBole and torch take seconds to load."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
