"""Two small runs that record what figures show."""

from __future__ import annotations

from pathlib import Path

import pytest

from recbole_cl import run
from recbole_cl.testing.toy import TINY, write_cycle


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Model -> its run folder."""
    folder = tmp_path_factory.mktemp("trained")
    settings = TINY | write_cycle(folder) | {"epochs": 3, "train_batch_size": 64, "learning_rate": 0.01}
    settings |= {"diagnostics_every": 4, "topk": [3, 10]}
    return {model: run(model, "cycle", **settings).run_dir for model in ("DuoRec", "AdaptiveRec")}
