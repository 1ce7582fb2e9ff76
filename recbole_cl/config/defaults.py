"""Which settings of a run differ from RecBole's defaults for the same command without the user's request."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from recbole_cl.config.messages import shown
from recbole_cl.config.settings import IDLE, canonical

SWITCH = "recbole_defaults"
# Keys whose RecBole default makes a sequential model fail, and keys that do not affect any result.
KEPT = frozenset({"train_neg_sample_args", "load_col", "repeatable", "metric_decimal_place"})


def as_recbole(preset: Mapping[str, Any], theirs: Collection[str]) -> dict[str, Any]:
    """Drops from one of our presets every key that RecBole has a default for."""
    return {key: value for key, value in preset.items() if key not in theirs or key in KEPT}


def unlike_recbole(settings: Mapping[str, Any], theirs: Mapping[str, Any], given: Collection[str]) -> str:
    """Lists where our presets, and not the user, depart from RecBole's defaults.

    Args:
        settings: The settings of the run.
        theirs: RecBole's defaults for the same model and dataset.
        given: Keys that the user has set.

    Returns:
        One line, or nothing.
    """
    silent = {*given, *IDLE, *KEPT, "model", "dataset"}
    changed = [
        f"{key} = {shown(settings[key])} ({'none' if value in (None, '[0,inf)') else shown(value)})"
        for key, value in sorted(theirs.items())
        if key in settings and key not in silent and _differ(settings[key], value)
    ]
    if not changed:
        return ""
    return f"unlike RecBole's defaults (in brackets): {', '.join(changed)}; --{SWITCH}=True takes RecBole's"


def _differ(ours: Any, theirs: Any) -> bool:
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        return any(key in ours and _differ(ours[key], value) for key, value in theirs.items())
    return canonical(ours) != canonical(theirs)
