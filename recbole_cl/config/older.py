"""Setting names of older RecBole versions and of the methods' authors, and values that change nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from logging import getLogger
from typing import Any

from recbole_cl.config.messages import shown
from recbole_cl.errors import UsageError

_NOTHING = (None, False, "", "None", "none")
_OURS = "recommendation_loss"  # a setting of all methods of this package, and of none of RecBole's models

DONE_ANYWAY = frozenset({"loss_type", "hidden_act"})  # keys of RecBole's models whose usual values are always used here

Today = tuple[str, Any]  # current key and value; the key is empty where the value is what is done anyway


def with_todays_names(values: Mapping[str, Any], known: Collection[str]) -> dict[str, Any]:
    """Replaces older setting names by the current ones, where the meaning is the same.

    Args:
        values: What a file, or the caller, has set.
        known: Settings that the run reads. If an older name is among them, it stays.

    Returns:
        The settings; each that was renamed is logged.

    Raises:
        UsageError: If the value of an older name has no equivalent under the current name, or the current name is also
            set, to another value.
    """
    renamed: dict[str, Any] = {}
    for key, value in values.items():
        today = None if key in known else _today(key, value, known)
        if today is None:
            _put(renamed, key, value, key)
        elif today[0]:
            getLogger().warning(f"{key} is called {today[0]} today, and taken as {today[0]} = {shown(today[1])}")
            _put(renamed, *today, key)
    return renamed


def todays_key(key: str, known: Collection[str]) -> str:
    """The current name of a setting whose values mean the same as before; of any other setting its own."""
    target = None if key in known else _target(key, known)
    return target if target and _FORMS[key][1] is _same else key


def older_names(known: Collection[str]) -> set[str]:
    """The older names of the known settings."""
    return {key for key in _FORMS if _target(key, known)}


def drop_what_is_done_anyway(values: dict[str, Any]) -> None:
    """Removes settings of RecBole's models from one of our methods' settings, if their value is what we do anyway.

    Args:
        values: All settings of the run; modified in place.

    Raises:
        UsageError: If the value is a different one.
    """
    loss, activation = values.pop("loss_type", None), values.pop("hidden_act", None)
    ours, encoder = values[_OURS], values["encoder"]
    if loss is not None and (loss != "CE" or ours in ("bpr", "bce", "gbce")):
        other = {"CE": "chunked_ce", "BPR": "bpr"}.get(str(loss), "chunked_ce")
        raise UsageError(
            f"loss_type = {shown(loss)}: {_OURS} decides, and is {ours}; leave it out, or set {_OURS} to {other}"
        )
    own = {"ligr": "swiglu", "query_norm": "relu"}.get(encoder, "gelu")
    if activation not in (None, own):
        raise UsageError(
            f"hidden_act = {shown(activation)}: expected {own}, which the encoder {encoder} has; leave it out"
        )


def _put(renamed: dict[str, Any], key: str, value: Any, older: str) -> None:
    if key in renamed and renamed[key] != value:
        said = shown(renamed[key])
        raise UsageError(
            f"{older} = {shown(value)}: {key} = {said} is given, too, under another of its names; leave one out"
        )
    renamed[key] = value


def _today(key: str, value: Any, known: Collection[str]) -> Today | None:
    target = _target(key, known)
    if not target:
        return None
    if (today := _FORMS[key][1](target, value)) is None:
        raise UsageError(f"{key} = {shown(value)}: an older setting; today's is {target}, set that instead")
    return today


def _target(key: str, known: Collection[str]) -> str | None:
    """The current name that the model has. ``embedding_size`` is valid for RecBole's models, an older name for ours."""
    names: Iterable[str] = _FORMS[key][0] if key in _FORMS else ()
    if key == "lmd_sem" and "supervised_weight" not in known and "similarity_threshold" not in known:
        return None  # appears only in the code of DuoRec and AdaptiveRec
    if key == "embedding_size" and _OURS not in known:
        return None
    return next((name for name in names if name in known), None)


def _same(key: str, value: Any) -> Today:
    return key, value


def _similarity(key: str, value: Any) -> Today:
    return key, {"cos": "cosine"}.get(value, value) if isinstance(value, str) else value


def _no_negatives(key: str, value: Any) -> Today:
    return key, None if value in (*_NOTHING, 0, {}) else value


def _leave_one_out(key: str, value: Any) -> Today | None:
    whole = isinstance(value, str) and re.fullmatch(r"TO_LS,\s*full", value)
    return (key, {"split": {"LS": "valid_and_test"}, "order": "TO", "mode": "full"}) if whole else None


def _at_least(key: str, value: Any) -> Today | None:
    return (key, f"[{value},inf)") if type(value) is int and value >= 0 else None


def _device(key: str, value: Any) -> Today | None:
    kind, _, number = str(value).partition(":")
    if number.isdecimal() and kind == "cuda":
        return "gpu_id", number
    return (key, kind != "cpu") if value in ("cpu", "cuda", "gpu") else None


def _idle(*values: Any) -> Callable[[str, Any], Today | None]:
    """For a setting without an equivalent today: accepts the values that mean "as always"."""
    return lambda key, value: ("", None) if any(value is it or value == it != 0 for it in values) else None


_FORMS: dict[str, tuple[tuple[str, ...], Callable[[str, Any], Today | None]]] = {
    # the authors' code
    "tau": (("temperature",), _same),
    "sim": (("similarity",), _similarity),
    "lmd": (("unsupervised_weight", "contrastive_weight"), _same),
    "lmd_sem": (("supervised_weight", "contrastive_weight"), _same),
    "embedding_size": (("hidden_size",), _same),
    "load_checkpoint": (("resume",), _idle(*_NOTHING)),
    "device": (("use_gpu",), _device),
    # RecBole before 1.1
    "neg_sampling": (("train_neg_sample_args",), _no_negatives),
    "training_neg_sample_num": (("train_neg_sample_args",), _no_negatives),
    "eval_setting": (("eval_args",), _leave_one_out),
    "min_user_inter_num": (("user_inter_num_interval",), _at_least),
    "min_item_inter_num": (("item_inter_num_interval",), _at_least),
}
