"""What a model reads of RecBole's or our ``Config``: its own settings, and the plan of the training."""

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


def refuse_sampled_targets(config: Any, model: str) -> None:
    """Refuses RecBole's sampled negatives, which a batch would hold as if they were targets.

    Every model of ours declares ``InputType.POINTWISE``, as a loss over one target per row needs it. RecBole's loader
    then appends a sampled item for each target and tells the two apart by a label, which no loss here reads; RecBole's
    own check of ``loss_type`` does not see it. They are its default.

    Args:
        config: RecBole's or our ``Config``.
        model: Name of the model, for the message.

    Raises:
        UsageError: If they are asked for.
    """
    negatives = config["train_neg_sample_args"]
    drawn = negatives.get("distribution", "uniform") if isinstance(negatives, Mapping) else negatives
    if drawn not in (None, "none", "None"):
        raise UsageError(
            f"train_neg_sample_args draws {drawn} negatives (RecBole's default: uniform), and {model} would train on "
            "them as targets; set train_neg_sample_args to None, or leave it out and call recbole_cl.register() first"
        )


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
