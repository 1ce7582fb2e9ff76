"""Scripts run as a process of their own runs them, in this one: importing torch and RecBole takes it seconds."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import Any

import pytest


def run_script(path: Path, *arguments: str) -> dict[str, Any]:
    """Runs a file as ``python path arguments`` does: as ``__main__``, with its own folder first on the path.

    The working folder is on no path but that, whatever this process has.

    Args:
        path: The file.
        *arguments: Those of the command line.

    Returns:
        The file's global names.
    """
    elsewhere = [folder for folder in sys.path if folder and Path(folder).resolve() != Path.cwd()]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [str(path), *arguments])
        patch.setattr(sys, "path", [str(path.parent), *elsewhere])
        return runpy.run_path(str(path), run_name="__main__")
