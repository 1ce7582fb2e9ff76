"""Which experiment a run's settings describe: runs with equal identity differ only as repetitions do."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from recbole_cl.config.settings import IDLE, canonical

# Settings added after version 0.1.0, each with the value that keeps the earlier behaviour. A run without the setting
# and a run with this value are the same experiment.
_ADDED = {
    "operators": ["crop", "mask", "reorder"],
    "operator_options": {},
    "correlation": "hybrid",
    "inverse_user_frequency": True,
    "switch_epoch": 160,
    "anchor_draw": "per_row",
    "insert_from": "catalogue",
    "only_seen_items": False,
    "pretrained_items": None,
    "freeze_pretrained_items": False,
    "ema_decay": 0.0,
    "train_on": "train",
    "label_smoothing": 0.0,
    "history_penalty": False,
    "gbce_calibration": 0.75,
    "filter_share": 0.7,
    "filter_cutoff": 5,
    "initializer": "normal",
    "scale_items": False,
    "attend_padding": False,
    "train_users_share": 1.0,
    "test_noise_share": 0.0,
    "float32_precision": "highest",
}


def with_added(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings, possibly stored by an earlier version, with a value for each setting that was added since 0.1.0.

    Args:
        settings: Settings of a run; those without a value get the one that keeps the earlier behaviour.
    """
    return _ADDED | dict(settings)


def identity(settings: Mapping[str, Any]) -> dict[str, str]:
    """The settings that determine a run's numbers, seed included. RecBole treats None as "not set".

    Args:
        settings: All settings of a run, as its `config.yaml` has them.

    Returns:
        Setting -> text, the same for equal values.
    """
    values = with_added(settings)
    if values.get("train_form") == "prefix" or values.get("anchors_per_row") == 0:
        values["anchor_draw"] = _ADDED["anchor_draw"]  # there is nothing to draw
    return {name: canonical(value) for name, value in values.items() if value is not None and name not in IDLE}


def digest(settings: Mapping[str, Any]) -> str:
    """Twelve hexadecimal digits that stand for the identity of a run, for the name of its folder."""
    return hashlib.sha256(canonical(identity(settings)).encode()).hexdigest()[:12]
