"""Reads RecBole's checkpoints, which hold a pickled ``Config``, unpickling only plain values.

Torch loads them only with ``weights_only``, and with placeholders for the classes that they name. RecBole's ``Config``
itself would not be safe there, because its constructor passes text to ``eval``.
"""

from __future__ import annotations

import io
import pickle
import sys
import warnings
import zipfile
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from recbole.config import Config as RecBoleConfig
from recbole.model.abstract_recommender import AbstractRecommender
from recbole.utils import enum_type

from recbole_cl.config.config import Config
from recbole_cl.errors import UsageError
from recbole_cl.interop.names import ModelName
from recbole_cl.interop.pickles import as_protocol_2

_CONFIGS = {f"{cls.__module__}.{cls.__qualname__}": cls for cls in (RecBoleConfig, Config)}
_MODEL_PACKAGES = ("recbole.model.", "recbole_cl.model.")


class _Named:
    """A placeholder for a class that a checkpoint names: its instances keep their attributes and have no behaviour.

    Attributes:
        path: The dotted name of the class.
    """

    path = ""


def _number(dtype: np.dtype[Any], data: bytes) -> float | int | bool:
    """A numpy scalar as a plain number."""
    if dtype.kind not in "biuf":
        raise UsageError(f"it holds a numpy scalar of type {dtype}; expected a number")
    number: float | int | bool = np.frombuffer(data, dtype)[0].item()
    return number


# The only callables allowed while a checkpoint is loaded, in addition to those that torch itself allows.
_CALLABLE: dict[str, Any] = {
    "builtins.str": str,  # a ModelName
    "numpy.dtype": np.dtype,
    "numpy.core.multiarray.scalar": _number,
    "numpy._core.multiarray.scalar": _number,
    **{
        f"{enum_type.__name__}.{kind.__name__}": kind
        for kind in (enum_type.ModelType, enum_type.InputType, enum_type.EvaluatorType)
    },
}
_DTYPES = [type(np.dtype(kind)) for kind in ("f2", "f4", "f8", "i4", "i8", "u1", "?")]


def read_checkpoint(file: str | Path, device: Any = None) -> dict[str, Any]:
    """Reads a checkpoint that RecBole's trainer wrote.

    Args:
        file: The ``.pth`` file.
        device: Device for its tensors; None for their original device, if it exists here.

    Returns:
        The state: ``config``, ``state_dict``, ``other_parameter``, ``optimizer``, ``epoch`` and the like.

    Raises:
        UsageError: If it is damaged, holds anything else, or is of a model class that has not been imported.
    """
    names: set[str] = set()
    try:
        content, names = _rewritten(Path(file))
        if device is None and not torch.cuda.is_available():
            device = "cpu"
        with torch.serialization.safe_globals(_stand_ins(names)), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            state = torch.load(content, map_location=device, weights_only=True)
    except UsageError as error:
        raise UsageError(f"{file} is refused: {error}") from None
    except (pickle.UnpicklingError, RuntimeError, TypeError, EOFError, KeyError, AttributeError) as error:
        if objects := sorted(name for name in names - _CALLABLE.keys() if name.startswith(("numpy.", "scipy."))):
            raise UsageError(
                f"{file} is refused: beside weights it holds {', '.join(objects)}, which only unpickling reads; run "
                "that model by recbole_cl.run, or with saved=False"
            ) from None
        line = " ".join(str(error).split())[-200:]
        raise UsageError(f"{file} is refused: it holds more than RecBole's trainer writes ({line})") from None
    if not isinstance(state, dict) or not {"config", "state_dict"} <= state.keys():
        raise UsageError(f"{file} is no checkpoint of RecBole's: it has no config and state_dict")
    return state | {"config": _restored(state["config"], Path(file))}


def _rewritten(file: Path) -> tuple[io.BytesIO, set[str]]:
    """The checkpoint with its pickle in protocol 2, and the names that the pickle imports."""
    names: set[str] = set()
    content = io.BytesIO()
    try:
        with zipfile.ZipFile(file) as old, zipfile.ZipFile(content, "w") as new:
            for record in old.namelist():
                data = old.read(record)
                if record.endswith("/data.pkl"):
                    data, names = as_protocol_2(data)
                new.writestr(record, data)
    except FileNotFoundError:
        raise UsageError("there is no such file; give the path of a checkpoint") from None
    except (OSError, zipfile.BadZipFile) as error:
        raise UsageError(f"it is no checkpoint of torch 1.6 or later, or damaged ({error})") from None
    content.seek(0)
    return content, names


def _stand_ins(names: set[str]) -> list[Any]:
    """The object that torch uses for each name: the few allowed callables themselves, placeholders for all others."""
    known = set(torch.serialization.get_safe_globals())
    theirs = [name for name in names if name.startswith(("torch.", "collections.", "_codecs.")) or name in known]
    inert = {name: type("Named", (_Named,), {"path": name}) for name in names if name not in theirs}
    return [*((_CALLABLE.get(name, stand_in), name) for name, stand_in in inert.items()), *_DTYPES]


def _restored(stored: Any, file: Path) -> Any:
    """RecBole's ``Config`` with the stored attributes; its constructor is not called."""
    cls = _CONFIGS.get(getattr(stored, "path", ""))
    if cls is None:
        raise UsageError(f"{file} is refused: its config is a {getattr(stored, 'path', type(stored).__name__)}")
    config: Any = cls.__new__(cls)
    vars(config).update(vars(stored), yaml_loader=yaml.FullLoader)
    model = _model_class(vars(stored).get("model_class"), file)
    config.model_class = model
    config.model = config.final_config_dict["model"] = ModelName(model)
    if not torch.cuda.is_available():
        config.final_config_dict["device"] = torch.device("cpu")
    return config


def _model_class(stored: Any, file: Path) -> type:
    """The class that a checkpoint names: RecBole's, ours, or one whose module the caller has imported."""
    path = str(getattr(stored, "path", stored))
    module, _, name = path.rpartition(".")
    if module.startswith(_MODEL_PACKAGES):
        found = _import_quietly(module).get(name)
    elif module in sys.modules:
        found = vars(sys.modules[module]).get(name)
    else:
        raise UsageError(f"{file} is of {path}, whose module is not imported: import it first")
    if not (isinstance(found, type) and issubclass(found, AbstractRecommender)):
        raise UsageError(f"{file} is refused: {path} is no model")
    return found


def _import_quietly(module: str) -> Mapping[str, Any]:
    from recbole_cl.config.models import anomaly_detection_left_alone

    try:
        with anomaly_detection_left_alone():
            return vars(import_module(module))
    except ModuleNotFoundError:
        return {}
