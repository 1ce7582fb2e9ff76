"""YAML files in a dataset's folder, which may come from somebody else: what they must not set."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from recbole_cl.config.common import DATA_KEYS
from recbole_cl.config.recboles_config import dataset_arguments, general_arguments
from recbole_cl.errors import UsageError
from recbole_cl.registry import paths_in

# Fields, separators and folders: a text with dots is not a path to code there.
_FREE_TEXT = frozenset({*general_arguments, *dataset_arguments, "discretization", "wandb_project"})


def refuse_code_beside_data(file: Path, values: Mapping[str, Any]) -> None:
    """Refuses YAML in a dataset's folder that names code: somebody else's dataset may set numbers, not programs."""
    for key, value in values.items():
        named = [] if key in _FREE_TEXT else paths_in(value)
        if key == "model" or named:
            what = "a model" if key == "model" else f"code ({', '.join(named)})"
            raise UsageError(
                f"{file}: {key} = {value}: YAML beside data cannot name {what}; leave {key} out, and set it by "
                f"--{key} or in a file of config_files"
            )


def refuse_other_than_data(file: Path, keys: Collection[str]) -> None:
    """Refuses YAML in a dataset's folder that sets more than how the data are read, such as folders or another run."""
    if other := sorted({*keys} - DATA_KEYS):
        raise UsageError(
            f"{file}: {', '.join(other)}: YAML beside data may hold only data settings; set them on the command line "
            "or in a file of config_files"
        )
