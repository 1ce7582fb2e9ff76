"""Two small trained runs on the circle of items."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from recbole_cl import LoadedRun, load, run
from recbole_cl.testing.toy import TINY, write_cycle


def trained_on_the_circle(model: str, folder: Path, **settings: Any) -> LoadedRun:
    common: dict[str, Any] = {"MAX_ITEM_LIST_LENGTH": 8, "show_progress": False, "use_gpu": False, "epochs": 12}
    common |= {"learning_rate": 0.01, "train_batch_size": 64}
    settings = common | write_cycle(folder) | settings
    return load(run(model, "cycle", **settings).run_dir)


@pytest.fixture(scope="session")
def ours(tmp_path_factory: pytest.TempPathFactory) -> LoadedRun:
    return trained_on_the_circle(
        "SASRec", tmp_path_factory.mktemp("ours"), **TINY | {"hidden_dropout_prob": 0.1, "attn_dropout_prob": 0.1}
    )


@pytest.fixture(scope="session")
def recboles(tmp_path_factory: pytest.TempPathFactory) -> LoadedRun:
    return trained_on_the_circle("GRU4Rec", tmp_path_factory.mktemp("recboles"))


@pytest.fixture(scope="session")
def run_dir(ours: LoadedRun) -> str:
    """The folder of ``ours``."""
    return str(next(Path(str(ours.config["checkpoint_dir"])).iterdir()))
