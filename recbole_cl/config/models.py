"""Model classes by name: ours first, then RecBole's sequential and general ones; classes of others by dotted path."""

from __future__ import annotations

import ast
import difflib
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from textwrap import shorten
from typing import Any

from recbole_cl.errors import UsageError
from recbole_cl.registry import Registry, is_path

DEFAULT_MODEL, DEFAULT_DATASET = "DuoRec", "ml-100k"
_OURS = "recbole_cl"
_SEQUENTIAL, _GENERAL = "recbole.model.sequential_recommender", "recbole.model.general_recommender"
_FILES = {"Contrastive": "combination"}  # names whose usual file name is taken by another module
_THEIRS = "recbole:"  # prefix for RecBole's model, even where we have one of the same name


def _is_model(found: Any) -> bool:
    from recbole.model.abstract_recommender import GeneralRecommender, SequentialRecommender

    return isinstance(found, type) and issubclass(found, SequentialRecommender | GeneralRecommender)


MODELS: Registry[Any] = Registry(
    "model",
    {
        name: f"recbole_cl.model.{_FILES.get(name, name.lower())}.{name}"
        for name in (
            "AdaptiveRec",
            "BERT4Rec",
            "CL4SRec",
            "Contrastive",
            "CoSeRec",
            "DuoRec",
            "ECLSR",
            "ELECRec",
            "ICLRec",
            "ICSRec",
            "MCLRec",
            "S3Rec_MIP",
            "SASRec",
            "SRMA",
        )
    },
    accepts=_is_model,
    expected="a class that extends EncoderRecommender, or RecBole's SequentialRecommender or GeneralRecommender",
    remedy='pass it, as load(run_dir, model="{path}") or --model={path}, or import its module first',
)


def available_models() -> list[str]:
    """Lists the names of all models that can be run, ours first, without importing any.

    Returns:
        Names, each once.
    """
    ours = own_models()
    return ours + [name for name in _recbole_models() if name not in ours]


def own_models() -> list[str]:
    """Lists the names of this package's models, and of those that other code has registered.

    Returns:
        Names, ours first and in alphabetical order.
    """
    return MODELS.names()


def model_class(model: str | type) -> Any:
    """Finds a model class.

    Args:
        model: The model's name, case-insensitive; ``recbole:`` and the name of one of RecBole's; the dotted path of a
            class; or a class.

    Returns:
        Our class of that name, or else RecBole's; or the class at the dotted path.

    Raises:
        UsageError: If there is no such model, if it models neither sequences nor users and items, or if its path may
            not be imported.
    """
    if isinstance(model, type):
        return MODELS.check(model, model.__name__)
    name, theirs = model.lower().removeprefix(_THEIRS), model.lower().startswith(_THEIRS)
    recboles = {known.lower(): known for known in _recbole_models()}
    if name in recboles and (theirs or not MODELS.find(name)):
        return recboles_model(recboles[name])
    if theirs:
        raise UsageError(_unknown(model))
    _refuse_unreachable(model)
    if not MODELS.find(model) and not is_path(model):
        raise UsageError(_unknown(model))
    with anomaly_detection_left_alone():  # an outside model may import RecBole's
        return MODELS.resolve(model)


def about(name: str) -> str:
    """One line about a model, read from its source, because importing it takes seconds.

    Args:
        name: As ``available_models`` spells it.

    Returns:
        For one of our models, what it does. For one of RecBole's, the reference that its source names, if any. Empty
            for a model that other code has registered.
    """
    path = MODELS.path(name)
    if path is not None:
        source = Path(__file__).parents[1].joinpath(*path.split(".")[1:-1]).with_suffix(".py")
        return re.sub(r"^[\w-]+: ", "", _docstring(source).partition("\n")[0])
    if name not in (theirs := _recbole_models()):
        return ""
    source = _source(theirs[name]).with_name(f"{name.lower()}.py")
    text = " ".join(_docstring(source).split()) if source.is_file() else ""
    reference = re.search(r"Reference[s:]*\s*(.*?)(?:\s*Reference code|$)", text)
    return shorten(f"RecBole's: {reference[1]}", 105, placeholder=" ...") if reference else "RecBole's"


def _docstring(source: Path) -> str:
    return ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) or ""


def class_chain(name: str) -> list[str]:
    """Names of one of our classes and of its bases in this package, read from source, because importing takes seconds.

    Args:
        name: As ``own_models`` spells it.

    Returns:
        Names, starting with the class itself; empty for a model that other code has registered.
    """
    path = MODELS.path(name)
    return [] if path is None else _chain(*path.rsplit(".", 1))


def _chain(module: str, name: str) -> list[str]:
    root, *inner = module.split(".")
    if root != _OURS:
        return []
    body = _body(Path(__file__).parents[1].joinpath(*inner).with_suffix(".py"))
    imported = {alias.name: it.module or "" for it in body if isinstance(it, ast.ImportFrom) for alias in it.names}
    found = next((it for it in body if isinstance(it, ast.ClassDef) and it.name == name), None)
    bases = [base.id for base in found.bases if isinstance(base, ast.Name)] if found else []
    return [name, *(above for base in bases for above in _chain(imported.get(base, module), base))]


def recboles_presets() -> Path:
    """The folder of RecBole's own YAML files for models."""
    return _recbole() / "properties" / "model"


def recbole_has(name: str) -> bool:
    """Tells whether RecBole has a sequential or general model of this name."""
    return name in _recbole_models()


def refuse_unknown_model(name: str) -> None:
    """Refuses a name that is neither a known model nor a dotted path, without importing anything.

    Raises:
        UsageError: The message suggests the nearest name.
    """
    known = {*own_models(), *_recbole_models()}
    if name.lower().startswith(_THEIRS):
        name, known = name[len(_THEIRS) :], {*_recbole_models()}
    if not is_path(name) and name.lower() not in {it.lower() for it in known}:
        raise UsageError(_unknown(name))


def model_path(cls: type) -> str:
    """The text that files store for a model, from which ``model_class`` finds it again.

    Args:
        cls: A model class.

    Returns:
        The name for one of our models; for one of RecBole's, also the name, after ``recbole:`` where we have a model of
            the same name; else the dotted path of the class.
    """
    path = f"{cls.__module__}{':' if '.' in cls.__qualname__ else '.'}{cls.__qualname__}"
    if cls.__module__.startswith((f"{_SEQUENTIAL}.", f"{_GENERAL}.")):
        return f"{_THEIRS if MODELS.find(cls.__name__) else ''}{cls.__name__}"
    return cls.__name__ if MODELS.path(cls.__name__) == path else path


def is_same_model(cls: type, stored: str) -> bool:
    """Tells whether a class may be the one that a file names: both ours or both not, and the same name.

    For classes from outside, the module is not compared: the class may have been moved.
    """
    path = model_path(cls)
    return model_name(path).lower() == model_name(stored).lower() and is_path(path) == is_path(stored)


def model_name(path: str) -> str:
    """The name of the class that a name or a dotted path stands for."""
    return re.split("[.:]", path)[-1]


def _refuse_unreachable(path: str) -> None:
    """Refuses a stored path to a class that cannot be imported, only passed in by the code that defined it."""
    if "<locals>" in path or (path.startswith("__main__") and not hasattr(sys.modules["__main__"], model_name(path))):
        where = "inside a function" if "<locals>" in path else "in a script or notebook other than this process"
        raise UsageError(
            f"model {path}: the class was made {where}; pass it, as load(run_dir, model={model_name(path)}) or "
            f"run(model={model_name(path)}, resume=run_dir), or put it into a module"
        )


def recboles_model(name: str) -> Any:
    """Imports a RecBole model; this unavoidably imports all models of the same kind.

    Args:
        name: As RecBole spells it.

    Returns:
        The class, even if we have a model of the same name.
    """
    with anomaly_detection_left_alone():
        return getattr(import_module(_recbole_models()[name]), name)


@contextmanager
def anomaly_detection_left_alone() -> Iterator[None]:
    """Keeps RecBole's sine.py from enabling anomaly detection for the process, which would slow training by half."""
    import torch

    anomaly, check_nan = torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()
    try:
        yield
    finally:
        torch.autograd.set_detect_anomaly(anomaly, check_nan)


def _recbole_models() -> dict[str, str]:
    """The models that RecBole's packages export, with their packages; read from source, since importing is slow."""
    found: dict[str, str] = {}
    for package in (_SEQUENTIAL, _GENERAL):
        imports = [node for node in _body(_source(package)) if isinstance(node, ast.ImportFrom)]
        found |= dict.fromkeys(sorted((it.name for node in imports for it in node.names), key=str.lower), package)
    return found


def _source(package: str) -> Path:
    return _recbole().joinpath(*package.split(".")[1:], "__init__.py")


def _recbole() -> Path:
    spec = find_spec("recbole")
    if spec is None or spec.origin is None:
        raise UsageError("RecBole is not installed: pip install recbole==1.2.1")
    return Path(spec.origin).parent


def _body(source: Path) -> list[ast.stmt]:
    return ast.parse(source.read_text(encoding="utf-8"), str(source)).body


# Folders of RecBole's other models, and the kind of model in each.
_OTHERS = {
    "context_aware_recommender": "context-aware",
    "knowledge_aware_recommender": "knowledge-aware",
    "exlib_recommender": "decision-tree",
}


def _unknown(name: str) -> str:
    name = name[len(_THEIRS) :] if name.lower().startswith(_THEIRS) else name
    for folder, kind in _OTHERS.items():
        if name.isidentifier() and (_recbole() / "model" / folder / f"{name.lower()}.py").is_file():
            return (
                f"{name} is one of RecBole's {kind} models, and only sequential and general ones run here: train it "
                "with RecBole itself"
            )
    known = {candidate.lower(): candidate for candidate in available_models()}
    near = difflib.get_close_matches(name.lower(), known, n=1)
    hint = f"did you mean {known[near[0]]}? " if near else ""
    ours = own_models()
    others = [candidate for candidate in available_models() if candidate not in ours]
    return (
        f"unknown model {name!r}: {hint}ours are {', '.join(ours)}; RecBole's are {', '.join(others)}; your own is "
        "named by its path, such as my_package.my_module.MyMethod"
    )
