"""Reads a model's own settings, and the training plan, from RecBole's or our ``Config``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from recbole_cl.config.config import Config
from recbole_cl.config.presets import model_defaults
from recbole_cl.config.settings import method_settings, settings_class
from recbole_cl.config.values import plain
from recbole_cl.errors import UsageError
from recbole_cl.registry import name_paths


def read_options(config: Any, model_class: type) -> Any:
    """Reads and checks the values of the settings that a model declares.

    RecBole's own ``Config`` does not read our YAML files. A key that it lacks takes its value from the model's YAML, so
    that our models run in a plain RecBole script.

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
    if not isinstance(config, Config):  # a plain RecBole script: its author is responsible for paths in the settings
        name_paths([*given.values(), defaults])
    return method_settings(model_class, defaults | {key: plain(key, it) for key, it in given.items() if it is not None})


def refuse_sampled_targets(config: Any, model: str) -> None:
    """Refuses RecBole's sampled negatives, which a batch would contain as if they were targets.

    All our models declare ``InputType.POINTWISE``, as required by a loss over one target per row. RecBole's loader then
    appends a sampled item for each target and marks the difference by a label, which no loss here reads. RecBole's own
    check of ``loss_type`` does not notice this. Sampled negatives are RecBole's default.

    Args:
        config: RecBole's or our ``Config``.
        model: Name of the model, for the message.

    Raises:
        UsageError: If sampled negatives are asked for.
    """
    negatives = config["train_neg_sample_args"]
    drawn = negatives.get("distribution", "uniform") if isinstance(negatives, Mapping) else negatives
    if drawn not in (None, "none", "None"):
        raise UsageError(
            f"train_neg_sample_args draws {drawn} negatives (RecBole's default: uniform), and {model} would train on "
            "them as targets; set train_neg_sample_args to None, or leave it out and call recbole_cl.register() first"
        )


class TrainingPlan(NamedTuple):
    """What a model may need to know about its training.

    Attributes:
        seed: Seed of the run.
        epochs: Maximum number of epochs; None if unknown.
        eval_step: Epochs between two validations.
        batch_size: Rows of a full batch.
    """

    seed: int
    epochs: int | None
    eval_step: int
    batch_size: int


def read_plan(config: Any) -> TrainingPlan:
    """Reads the training plan from RecBole's or our ``Config``."""
    return TrainingPlan(config["seed"], config["epochs"], config["eval_step"] or 1, config["train_batch_size"])
