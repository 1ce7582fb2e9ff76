"""What a model reads of RecBole's or our ``Config``: its own settings, and the plan of the training."""

from __future__ import annotations

from typing import Any, NamedTuple

from recbole_cl.config.config import Config
from recbole_cl.config.presets import model_defaults
from recbole_cl.config.settings import method_settings, settings_class
from recbole_cl.config.values import plain
from recbole_cl.registry import name_paths


def read_options(config: Any, model_class: type) -> Any:
    """Values of the settings that a model declares, checked.

    RecBole's own ``Config`` does not read our YAML files, so a key that it lacks takes the value of the model's YAML:
    a model of ours runs in a plain RecBole script.

    Args:
        config: RecBole's or our ``Config``.
        model_class: The model.

    Returns:
        An instance of the model's class of settings.

    Raises:
        UsageError: If a value is missing or bad.
    """
    defaults = model_defaults(model_class)
    given = {key: config[key] for key in settings_class(model_class).model_fields}
    if not isinstance(config, Config):  # a plain RecBole script: its author named what the settings name
        name_paths([*given.values(), defaults])
    return method_settings(model_class, defaults | {key: plain(key, it) for key, it in given.items() if it is not None})


class TrainingPlan(NamedTuple):
    """What a model may have to know of the training that it is built for.

    Attributes:
        seed: Of the run.
        epochs: At most; None if nobody says.
        eval_step: Epochs between two validations.
        batch_size: Rows of a full batch.
    """

    seed: int
    epochs: int | None
    eval_step: int
    batch_size: int


def read_plan(config: Any) -> TrainingPlan:
    """The plan of a training, out of RecBole's or our ``Config``."""
    return TrainingPlan(config["seed"], config["epochs"], config["eval_step"] or 1, config["train_batch_size"])
