"""RecBole as it is after ``register()``, and as it was before once these tests are done."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import recbole.config.configurator as configurator
import recbole.trainer.trainer as recboles_trainer
import recbole.utils as recboles_utils

from recbole_cl.interop import register
from recbole_cl.testing.toy import TINY, write_cycle

CONFIG_METHODS = ("_get_model_and_dataset", "_load_internal_config_dict", "compatibility_settings")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scripts")


@pytest.fixture(scope="module")
def script(folder: Path) -> dict[str, Any]:
    """What a RecBole user's script sets, apart from the model."""
    columns = {"load_col": {"inter": ["user_id", "item_id", "timestamp"]}}
    return TINY | write_cycle(folder / "data") | columns | {"epochs": 1, "metrics": ["Hit", "MRR"], "topk": [10]}


@pytest.fixture(scope="module")
def registered(folder: Path) -> Iterator[list[str]]:
    """``register()`` was called, in a script without arguments; gives what it fixed."""
    patch = pytest.MonkeyPatch()
    owners: list[tuple[Any, tuple[str, ...]]] = [
        (configurator.Config, CONFIG_METHODS),
        (configurator, ("get_model",)),
        (recboles_utils, ("get_model", "get_trainer")),
        (recboles_utils.utils, ("get_model", "get_trainer")),
        (recboles_trainer, ("torch",)),
    ]
    for owner, names in owners:
        for name in names:
            patch.setattr(owner, name, getattr(owner, name))
    patch.setattr(register, "_done", [])
    patch.setattr(sys, "argv", ["script.py"])
    patch.chdir(folder)  # RecBole writes logs and events to the working folder
    yield register.register()
    patch.undo()
    for module in [name for name in sys.modules if name.startswith("recbole.quick_start")]:
        del sys.modules[module]
