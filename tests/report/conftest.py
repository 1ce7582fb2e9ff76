from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from recbole_cl.evaluation.significance import per_user_metric

N_USERS = 80
MakeRun = Callable[..., Path]


def ranks_of(model: str, seed: int, n_users: int = N_USERS) -> np.ndarray[Any, Any]:
    """Made-up ranks: every model sees the same users, DuoRec ranks a little better, and seeds differ."""
    users = np.random.default_rng(0).integers(1, 40, n_users)
    noise = np.random.default_rng([seed, *model.encode()]).integers(-4, 5, n_users)
    return np.maximum(users + noise - (3 if model == "DuoRec" else 0), 1).astype(np.int32)


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """Make a run folder as a finished run leaves it."""

    def make(
        model: str = "SASRec",
        seed: int = 1,
        dataset: str = "toy",
        settings: dict[str, Any] | None = None,
        name: str | None = None,
        n_users: int = N_USERS,
        train_form: str = "prefix",
        targets: str | None = None,
    ) -> Path:
        folder = tmp_path / (name or f"{model}-{dataset}-{seed}")
        folder.mkdir()
        kept = ranks_of(model, seed, n_users)
        removed = np.maximum(kept - 2, 1).astype(np.int32)
        np.save(folder / "ranks_test.npy", kept)
        np.save(folder / "ranks_test_history_removed.npy", removed)
        test = {
            protocol: {"hit@10": round(float(per_user_metric(ranks, "hit@10").mean()), 4), "gauc": 0.5 + seed / 100}
            for protocol, ranks in (("history_kept", kept), ("history_removed", removed))
        }
        result = {
            "model": model,
            "dataset": dataset,
            "seed": seed,
            "train_form": train_form,
            "best_epoch": 3,
            "epochs_run": 5,
            "seconds": {"data": 0.1, "train": 2.0, "evaluate": 0.3},
            "valid": {"hit@10": 0.2},
            "test": test,
        }
        if targets is not None:
            result["targets"] = targets
        (folder / "result.json").write_text(json.dumps(result))
        if settings is not None:
            (folder / "config.yaml").write_text(
                yaml.safe_dump({**settings, "seed": seed, "checkpoint_dir": str(folder)})
            )
        return folder

    return make


@pytest.fixture
def folders(make_run: MakeRun) -> list[Path]:
    """Two methods and a SASRec, with three, two and one seeds."""
    seeds = [("DuoRec", 1), ("DuoRec", 2), ("DuoRec", 3), ("SASRec", 1), ("SASRec", 2), ("GRU4Rec", 1)]
    return [make_run(model, seed) for model, seed in seeds]
