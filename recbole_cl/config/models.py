"""Model classes by name: ours first, then RecBole's own sequential models."""

from __future__ import annotations

import ast
import difflib
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from recbole_cl.errors import UsageError

_OURS = Path(__file__).parents[1] / "model"
_RECBOLE = "recbole.model.sequential_recommender"
# What they read in their batches is more than our loader makes.
_UNFIT = {
    **dict.fromkeys(("BERT4Rec", "SHAN"), "transformed rows"),
    **dict.fromkeys(("FPMC", "TransRec"), "sampled negatives"),
    **dict.fromkeys(("DIN", "DIEN", "FDSA", "GRU4RecF", "GRU4RecKG", "KSR", "S3Rec", "SASRecF"), "features of items"),
    "FEARec": "sequences with the same target, under names of its own",
}


def available_models() -> list[str]:
    """Lists the names of all models that can be run, ours first, without importing any.

    A file ``recbole_cl/model/<name>.py`` is a model of ours if it holds a class that bears the file's name, in any
    capitals, and extends another class.

    Returns:
        Names, each once.
    """
    ours = own_models()
    return ours + [name for name in _recbole_models() if name not in {*ours, *_UNFIT}]


def own_models() -> list[str]:
    """Lists the names of the models that this package brings.

    Returns:
        Names, in alphabetical order.
    """
    files = sorted(path for path in _OURS.glob("*.py") if path.name != "base.py" and not path.name.startswith("_"))
    return [name for path in files for name in _classes(path) if name.lower() == path.stem]


def model_class(name: str) -> Any:
    """Finds a model class.

    Args:
        name: The model's name, in any capitals.

    Returns:
        Our class of that name, or else RecBole's.

    Raises:
        UsageError: If there is none, or RecBole's needs batches that the loader here does not make.
    """
    for unfit, needs in _UNFIT.items():
        if unfit.lower() == name.lower():
            raise UsageError(
                f"{unfit} needs {needs} in its batches, which the loader here does not make: choose another model, or "
                "train it with RecBole itself"
            )
    for known, load in ((own_models(), _load_ours), (_recbole_models(), recboles_model)):
        for candidate in known:
            if candidate.lower() == name.lower():
                return load(candidate)
    raise UsageError(_unknown(name))


def _load_ours(name: str) -> Any:
    return getattr(import_module(f"recbole_cl.model.{name.lower()}"), name)


def recboles_model(name: str) -> Any:
    """Imports a model of RecBole's, and with it, unavoidably, all of them.

    Args:
        name: As RecBole spells it.

    Returns:
        The class, also where ours of that name takes its place elsewhere.
    """
    import torch

    anomaly, check_nan = torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()
    try:
        return getattr(import_module(_RECBOLE), name)
    finally:
        # RecBole's sine.py switches anomaly detection on for the whole process; training would take half as long again.
        torch.autograd.set_detect_anomaly(anomaly, check_nan)


def _recbole_models() -> list[str]:
    """Names that RecBole's package of sequential models exports, read from its source: importing it takes seconds."""
    spec = find_spec("recbole")
    if spec is None or spec.origin is None:
        raise UsageError("RecBole is not installed: pip install recbole==1.2.1")
    source = Path(spec.origin).parent.joinpath(*_RECBOLE.split(".")[1:], "__init__.py")
    imports = [node for node in _parse(source).body if isinstance(node, ast.ImportFrom)]
    return sorted((alias.name for node in imports for alias in node.names), key=str.lower)


def _classes(path: Path) -> list[str]:
    """Names of the classes of a file that extend something: plain ones (a batch, say) are no models."""
    return [node.name for node in _parse(path).body if isinstance(node, ast.ClassDef) and node.bases]


def _parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def _unknown(name: str) -> str:
    known = {candidate.lower(): candidate for candidate in available_models()}
    near = difflib.get_close_matches(name.lower(), known, n=1)
    hint = f"did you mean {known[near[0]]}? " if near else ""
    ours = own_models()
    others = [candidate for candidate in available_models() if candidate not in ours]
    return f"unknown model {name!r}: {hint}ours are {', '.join(ours)}; RecBole's are {', '.join(others)}"
