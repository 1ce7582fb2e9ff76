"""The typed settings of a run for its parts. They are made from a ``Config``, which is not passed on any further."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from recbole_cl.config.common import TrainingKeys
from recbole_cl.config.config import Config
from recbole_cl.config.messages import validated
from recbole_cl.data.loader import LoaderSettings
from recbole_cl.evaluation.evaluate import EvaluationSettings
from recbole_cl.evaluation.metrics import MetricSettings
from recbole_cl.trainer.settings import TrainerSettings


@dataclass(frozen=True)
class RunSettings:
    """All settings of a run except those that the model reads.

    Attributes:
        model: Name of the model.
        dataset: Name of the dataset.
        seed: Seed of weights, order of rows, views and dropout.
        reproducible: Whether only deterministic kernels of cuDNN are used.
        float32_precision: Precision of matrix products, ``highest`` or ``high``; see
            ``torch.set_float32_matmul_precision``.
        device: Device of the model, the data and the batches.
        folders: Folder of run folders.
        resume: Run folder, or its last.pth, to resume; None for a new run.
        init_from: Run folder whose weights a new training starts from; None for fresh weights.
        log_level: Lowest level that is logged; None for INFO.
        show_progress: Whether progress bars are shown.
        data_folder: The dataset's own folder.
        train_users_share: Share of the users whose rows are trained on (the first ones in the file), in (0, 1].
        test_noise_share: Number of random items added to test rows, as a share of a user's items, in [0, 1].
        loader: Settings of the training loader, as for a model without hooks.
        trainer: Settings of the training.
        evaluation: Settings of validation and test.
    """

    model: str
    dataset: str
    seed: int
    reproducible: bool
    float32_precision: str
    device: torch.device
    folders: Path
    resume: str | None
    init_from: str | None
    log_level: str | None
    show_progress: bool
    data_folder: Path
    train_users_share: float
    test_noise_share: float
    loader: LoaderSettings
    trainer: TrainerSettings
    evaluation: EvaluationSettings


def settings_of(config: Config) -> RunSettings:
    """The typed settings of a run.

    Args:
        config: The checked settings.
    """
    return RunSettings(
        model=config["model"],
        dataset=config["dataset"],
        seed=config["seed"],
        reproducible=config["reproducibility"],
        float32_precision=config["float32_precision"],
        device=config["device"],
        folders=Path(config["checkpoint_dir"]),
        resume=config["resume"],
        init_from=config["init_from"],
        log_level=config["state"],
        show_progress=config["show_progress"],
        data_folder=Path(config["data_path"]),  # RecBole has appended the dataset's name to it
        train_users_share=config["train_users_share"],
        test_noise_share=config["test_noise_share"],
        loader=_loader_settings(config),
        trainer=_trainer_settings(config),
        evaluation=_evaluation_settings(config),
    )


def _loader_settings(config: Config) -> LoaderSettings:
    return LoaderSettings(
        train_form=config["train_form"] or "prefix",  # RecBole's models have neither this setting nor the anchors
        batch_size=config["train_batch_size"],
        shuffle=config["shuffle"],
        hooks={},
        anchors_per_row=1 if config["anchors_per_row"] is None else config["anchors_per_row"],
        anchor_draw=config["anchor_draw"] or "per_target",
        seed=config["seed"],
        device=config["device"],
    )


def _trainer_settings(config: Config) -> TrainerSettings:
    training = validated(TrainingKeys, config.settings_dict())
    return TrainerSettings(
        model=config["model"],
        dataset=config["dataset"],
        learner=training.learner,
        learning_rate=training.learning_rate,
        weight_decay=training.weight_decay,
        schedule=training.learning_rate_schedule,
        warmup_share=training.warmup_share,
        floor_share=training.floor_share,
        ema_decay=training.ema_decay,
        clip_grad_norm=training.clip_grad_norm,
        bfloat16=training.enable_amp,
        loss_digits=training.loss_decimal_place,
        log_wandb=config["log_wandb"],
    )


def _evaluation_settings(config: Config) -> EvaluationSettings:
    metrics = MetricSettings(
        config["metrics"],
        config["topk"],
        config["metric_decimal_place"],
        config["tail_ratio"],
        tuple(config["own_metrics"]),
    )
    return EvaluationSettings(
        metrics=metrics,
        valid_metric=config["valid_metric"].lower(),  # RecBole names computed metrics in lower case
        history=config["eval_history"],
        batch_size=config["eval_batch_size"],
    )
