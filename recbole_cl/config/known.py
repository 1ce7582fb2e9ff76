"""Which settings a model knows, read from files alone: neither torch nor RecBole is imported."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from recbole_cl.config.common import COMMON
from recbole_cl.config.foreign import HARMLESS, drop_foreign
from recbole_cl.config.models import (
    DEFAULT_MODEL,
    MODELS,
    available_models,
    class_chain,
    own_models,
    recboles_presets,
    refuse_unknown_model,
)
from recbole_cl.config.older import DONE_ANYWAY, older_names
from recbole_cl.config.per_model import for_model
from recbole_cl.config.presets import props_dir, read_settings
from recbole_cl.config.suggestions import refuse_unknown


def keys_by_model() -> dict[str, Iterable[str]]:
    """The keys of every model's YAML files, ours first."""
    ours = {name: own_keys(name) for name in own_models()}
    files = {name: recboles_presets() / f"{name}.yaml" for name in available_models() if name not in ours}
    return {**ours, **{name: _keys(path) for name, path in files.items() if path.is_file()}}


def keys_of_ours() -> set[str]:
    """The keys of all our models."""
    return {key for name in own_models() for key in own_keys(name)}


def own_keys(name: str) -> list[str]:
    """The keys in the YAML files of one of our models and of its bases."""
    files = [props_dir() / "model" / f"{cls}.yaml" for cls in class_chain(name)]
    return [key for file in files if file.is_file() for key in _keys(file)]


def _keys(path: Path) -> list[str]:
    """The keys of a preset file. Values are not parsed, because all files together hold many of them."""
    return re.findall(r"^([\w-]+)\s*:", path.read_text(encoding="utf-8"), re.MULTILINE)


def refuse_unknown_flags(model: str | None, files: Iterable[str | Path], settings: Mapping[str, Any]) -> None:
    """Refuses misspelt flags of our models before any slow import.

    Flags that pass are checked again, in full, by ``Config``.

    Args:
        model: As the command line names it; None if it does not.
        files: YAML files, which may name the model.
        settings: The settings on the command line.

    Raises:
        UsageError: For all unknown settings together.
    """
    read = {str(file): read_settings(file) for file in files}
    given = [it["model"] for it in read.values() if "model" in it]
    if not model and not given and any(it.get("resume") for it in (settings, *read.values())):
        return  # the run folder names the model
    wanted = str(model or (given or [DEFAULT_MODEL])[-1])
    refuse_unknown_model(wanted)
    name = MODELS.find(wanted)
    if not name or not class_chain(name):
        return  # not one of ours: its class decides which settings it reads
    read = {file: for_model(values, name, file) for file, values in read.items()}
    known = {"model", "dataset", *COMMON, *own_keys(name), *DONE_ANYWAY}
    taken = {*older_names(known), *HARMLESS, "nproc"}
    for file, values in read.items():
        drop_foreign(file, values, known | taken, keys_of_ours)
    refuse_unknown([*read.items(), ("", settings)], known, name, keys_by_model, taken=taken)
