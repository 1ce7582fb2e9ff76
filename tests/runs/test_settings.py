"""The typed settings of a run, from the presets and from what a user sets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from recbole_cl.config.config import Config
from recbole_cl.evaluation.metrics import MetricSettings
from recbole_cl.runs.settings import RunSettings, settings_of

CPU = torch.device("cpu")


def typed(name: str = "SASRec", **settings: Any) -> RunSettings:
    return settings_of(Config(name, "ml-100k", config_dict={"use_gpu": False} | settings))


def test_every_value_reaches_its_part() -> None:
    given: dict[str, Any] = {
        "seed": 7,
        "checkpoint_dir": "somewhere",
        "show_progress": False,
        "train_batch_size": 32,
        "shuffle": False,
    }
    given |= {"train_form": "sequence", "anchors_per_row": 3, "anchor_draw": "per_target"}
    given |= {"learner": "sgd", "learning_rate": 0.5}
    given |= {"weight_decay": 0.25, "learning_rate_schedule": "cosine", "warmup_share": 0.5, "floor_share": 0.75}
    given |= {"ema_decay": 0.9}
    given |= {"clip_grad_norm": {"max_norm": 2.0}, "enable_amp": True, "loss_decimal_place": 3, "tail_ratio": 0.2}
    given |= {"metrics": ["Hit", "MAP"], "topk": [3, 4], "valid_metric": "MAP@3", "metric_decimal_place": 2}
    given |= {"eval_history": "remove", "eval_batch_size": 9}
    run = typed(**given)
    assert (run.model, run.dataset, run.seed, run.device) == ("SASRec", "ml-100k", 7, CPU)
    assert (run.folders, run.resume, run.show_progress, run.reproducible) == (Path("somewhere"), None, False, True)
    assert vars(run.loader) == {
        **{"train_form": "sequence", "batch_size": 32, "shuffle": False, "hooks": {}},
        **{"anchors_per_row": 3, "anchor_draw": "per_target", "seed": 7, "device": CPU},
    }
    assert vars(run.trainer) == {
        **{"model": "SASRec", "dataset": "ml-100k", "learner": "sgd", "learning_rate": 0.5, "weight_decay": 0.25},
        **{"schedule": "cosine", "warmup_share": 0.5, "floor_share": 0.75, "clip_grad_norm": {"max_norm": 2.0}},
        **{"ema_decay": 0.9, "bfloat16": True, "loss_digits": 3, "log_wandb": False},
    }
    assert run.evaluation.metrics == MetricSettings(["Hit", "MAP"], [3, 4], 2, 0.2)
    assert (run.evaluation.valid_metric, run.evaluation.history, run.evaluation.batch_size) == ("map@3", "remove", 9)


def test_recboles_models_have_one_training_form() -> None:
    loader = typed("GRU4Rec").loader
    assert (loader.train_form, loader.anchors_per_row) == ("prefix", 1)
