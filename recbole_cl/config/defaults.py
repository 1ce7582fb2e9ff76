"""Which settings of a run differ from RecBole's defaults for the same command without the user's request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recbole_cl.config.messages import shown
from recbole_cl.config.settings import IDLE, canonical

SWITCH = "recbole_defaults"
# Keys whose RecBole default makes a sequential model fail, and keys that do not affect any result.
KEPT = frozenset({"train_neg_sample_args", "load_col", "repeatable", "metric_decimal_place"})


# What RecBole takes for entries of eval_args that a user leaves out.
_EVALUATION = {"split": {"RS": [0.8, 0.1, 0.1]}, "order": "RO", "group_by": "user", "mode": "full"}


def as_recbole(preset: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, Any]:
    """Drops from one of our presets every key that RecBole has a default for, unless that default is refused here.

    Args:
        preset: The preset.
        theirs: RecBole's defaults.
    """
    kept = {*KEPT, *_refused(theirs)}
    return {key: value for key, value in preset.items() if key not in theirs or key in kept}


def unlike_recbole(settings: Mapping[str, Any], theirs: Mapping[str, Any], given: Mapping[str, Any]) -> str:
    """Lists where our presets, and not the user, depart from RecBole's defaults.

    Args:
        settings: The settings of the run.
        theirs: RecBole's defaults for the same model and dataset.
        given: What the user has set.

    Returns:
        One line, or nothing.
    """
    if "eval_args" in given:
        theirs = {**theirs, "eval_args": {**_EVALUATION, **given["eval_args"]}}
    silent = {*given, *IDLE, *KEPT, "model", "dataset"} - {"eval_args"}
    changed = [
        key
        for key, value in sorted(theirs.items())
        if key in settings and key not in silent and _differ(settings[key], value)
    ]
    if not changed:
        return ""
    told = [f"{key} = {shown(settings[key])} ({_plain(theirs[key])})" for key in changed]
    remedy = f"; --{SWITCH}=True takes RecBole's" if {*changed} - _refused(theirs) else ""
    return f"unlike RecBole's defaults (in brackets): {', '.join(told)}{remedy}"


def _refused(theirs: Mapping[str, Any]) -> set[str]:
    """Keys whose default for the model is refused here: a random split, and metrics of labels."""
    random = {"eval_args"} if theirs["eval_args"].get("order") == "RO" else set()
    return random | ({"metrics", "valid_metric"} if theirs["valid_metric"] == "AUC" else set())


def _plain(value: Any) -> str:
    return "none" if value in (None, "[0,inf)") else shown(value)


def _differ(ours: Any, theirs: Any) -> bool:
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        return any(key in ours and _differ(ours[key], value) for key, value in theirs.items())
    return canonical(ours) != canonical(theirs)
