"""Contrastive learning for sequential recommendation, as a RecBole 1.2.1 plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recbole_cl.allocator import ask_for_huge_pages

if TYPE_CHECKING:
    from recbole_cl.data.files.dataframe import from_dataframe
    from recbole_cl.interop.register import register
    from recbole_cl.runs.result import RunResult
    from recbole_cl.runs.runner import LoadedRun, load, run, run_seeds
    from recbole_cl.search.tune import SearchResult, tune
    from recbole_cl.serving.package import Package, load_package
    from recbole_cl.suites.command import suite

ask_for_huge_pages()  # here, since torch reads it once, when it is imported

__all__ = [
    "LoadedRun",
    "Package",
    "RunResult",
    "SearchResult",
    "from_dataframe",
    "load",
    "load_package",
    "register",
    "run",
    "run_seeds",
    "suite",
    "tune",
]


def __getattr__(name: str) -> Any:
    """Imports the public functions when they are first asked for: RecBole and torch take seconds to load."""
    if name == "from_dataframe":
        from recbole_cl.data.files import dataframe

        return dataframe.from_dataframe
    if name in ("Package", "load_package"):
        from recbole_cl.serving import package

        return getattr(package, name)
    if name in ("SearchResult", "tune"):
        from recbole_cl.search import tune as search

        return getattr(search, name)
    if name == "suite":
        from recbole_cl.suites import command

        return command.suite
    if name == "register":
        from recbole_cl.interop import register

        return register.register
    if name in __all__:
        from recbole_cl.runs import runner

        return getattr(runner, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
