"""Checks that the settings of a run fit together, and lists those that do not affect its results."""

from __future__ import annotations

import json
from collections.abc import Mapping
from numbers import Integral
from typing import Any

from recbole_cl.config.common import INTERVALS, OF_RECBOLES, WITHOUT_EFFECT, CommonSettings, Unread
from recbole_cl.config.messages import refuse_bad, refuse_unless, shown, validated
from recbole_cl.config.schema import MethodSettings, OneOf, Settings
from recbole_cl.errors import UsageError
from recbole_cl.registry import attribute_of, is_path

_ATTENDING = ("transformer", "query_norm", "ligr", "bsarec")  # our encoders with attention heads

# Where and how a run is computed and shown: runs that differ only in these differ at most as two seeds do.
IDLE = frozenset(
    {
        "checkpoint_dir",
        "compile_encoder",
        "data_path",
        "dataloaders_save_path",
        "dataset_save_path",
        "diagnostics_every",
        "eval_batch_size",
        "gpu_id",
        "length_grouping",
        "log_wandb",
        "loss_decimal_place",
        "metrics",
        "recbole_defaults",
        "resume",
        "save_dataloaders",
        "save_dataset",
        "show_progress",
        "state",
        "topk",
        "use_gpu",
        "wandb_project",
        "worker",
    }
)


def listed(value: Any) -> list[Any]:
    """Returns a value that may be one or several as a list."""
    return [value] if isinstance(value, str) else list(value)


def canonical(value: Any) -> str:
    """Text of a setting's value, the same for equal values: 1 equals 1.0, and the order of keys does not matter.

    Args:
        value: A plain value, or lists and mappings of such.
    """
    return value if isinstance(value, str) else json.dumps(_whole_as_int(value), sort_keys=True, default=str)


def _whole_as_int(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _whole_as_int(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_whole_as_int(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def settings_class(model_class: type) -> type[MethodSettings]:
    """The class of a method's own settings; for a RecBole model, a class without fields.

    Raises:
        UsageError: If the method's ``settings`` is not a settings class, or leaves out the settings of a base.
    """
    own: Any = getattr(model_class, "settings", MethodSettings)
    bases = [vars(cls)["settings"] for cls in model_class.__mro__[1:] if "settings" in vars(cls)]
    bases = [*(base for base in bases if isinstance(base, type)), MethodSettings]
    if not isinstance(own, type) or not all(issubclass(own, base) for base in bases):
        raise UsageError(f"settings of {model_class.__name__}: expected a class that extends {bases[0].__name__}")
    return own


def method_settings(model_class: type, values: Mapping[str, Any]) -> Any:
    """A method's own settings, typed.

    Args:
        model_class: The method.
        values: Settings; only those of the method are used.

    Returns:
        An instance of the class that the method declares as ``settings``.

    Raises:
        UsageError: If a value is missing or bad.
    """
    return validated(settings_class(model_class), values)


def check_settings(
    values: Mapping[str, Any],
    own: type[MethodSettings],
    theirs: type[Settings] = Settings,
    *,
    of_recbole: bool = False,
) -> None:
    """Refuses bad values, and values that do not fit together.

    Args:
        values: All settings of a run.
        own: The class of the model's own settings, which override all others; each needs a value.
        theirs: The class of the settings that the model has from RecBole.
        of_recbole: Whether the model is a RecBole model, or extends one, and so may train on RecBole's batches.

    Raises:
        UsageError: The message names the setting, its value and the remedy.
    """
    validated(own, values)
    _check_effect(values, WITHOUT_EFFECT | ({} if of_recbole else OF_RECBOLES))
    others = {key: values[key] for key in values.keys() - own.model_fields.keys()}
    refuse_bad(CommonSettings, others)
    refuse_bad(theirs, others)
    _check_heads(values)
    _check_fields(values)
    _check_split(values)
    _check_times(values)
    _check_metrics(values)
    reads_vectors = "pretrained_items" in own.model_fields or "freeze_kg" in theirs.model_fields  # GRU4RecKG
    if values.get("preload_weight") and not reads_vectors:
        raise UsageError("preload_weight has no effect with RecBole's own models: set it to ~, or choose one of ours")


def _check_heads(values: Mapping[str, Any]) -> None:
    encoder, extra = values.get("encoder", "transformer"), values.get("extra_layer_kind")
    if encoder not in _ATTENDING and extra != "transformer":
        return  # not an attention encoder of ours; an encoder from outside checks its own heads
    size, heads = values.get("hidden_size"), values.get("n_heads")
    if size is not None and heads is not None and size % heads:
        raise UsageError(f"hidden_size = {size}: expected a multiple of n_heads = {heads}")


def _check_fields(values: Mapping[str, Any]) -> None:
    """Checks that no two batch columns have the same name, and that the interaction columns are loaded."""
    names = {key: values[key] for key in ("USER_ID_FIELD", "ITEM_ID_FIELD", "TIME_FIELD", "ITEM_LIST_LENGTH_FIELD")}
    names["ITEM_ID_FIELD + LIST_SUFFIX"] = f"{values['ITEM_ID_FIELD']}{values['LIST_SUFFIX']}"
    owner: dict[str, str] = {}
    for key, name in names.items():
        if (other := owner.setdefault(name, key)) != key:
            raise UsageError(f"{key} = {name}: {other} has that name, too; choose another")
    if values.get("load_col") is not None and "inter" not in values["load_col"]:
        raise UsageError(f"load_col = {values['load_col']}: inter is missing, whose columns users and items are in")
    for source, columns in (values.get("unused_col") or {}).items():
        if used := [name for name in (values["USER_ID_FIELD"], values["ITEM_ID_FIELD"]) if name in columns]:
            raise UsageError(f"unused_col.{source} = {columns}: every run uses {', '.join(used)}; leave it out")


def _check_split(values: Mapping[str, Any]) -> None:
    split = values["eval_args"].get("split", {"LS": "valid_and_test"})
    if len(split) != 1:
        raise UsageError(f"eval_args.split = {split}: expected LS: valid_and_test, or RS: [0.8, 0.1, 0.1]")
    if "RS" in split and not split["RS"][0]:
        raise UsageError(f"eval_args.split = {split}: the first share, that of training, is 0; raise it")


def _check_times(values: Mapping[str, Any]) -> None:
    """Checks the intervals of times to keep: RecBole only warns of an invalid interval, and then keeps all or none."""
    intervals = values.get("val_interval") or {}
    if (time := values.get("TIME_FIELD")) in intervals:
        refuse_unless(INTERVALS, f"val_interval.{time}", intervals[time])


def measured_metrics(values: Mapping[str, Any]) -> list[str]:
    """The metrics that a run measures, as ``valid_metric`` names them, such as ``NDCG@10``.

    Args:
        values: Its settings, of which ``metrics`` and ``topk`` are used.
    """
    ks = [values["topk"]] if isinstance(values["topk"], Integral) else values["topk"]
    found: list[str] = []
    for metric in listed(values["metrics"]):
        name = attribute_of(metric) if is_path(metric) else metric
        found += [name] if name.lower() == "gauc" else [f"{name}@{k}" for k in ks]
    return found


def _check_metrics(values: Mapping[str, Any]) -> None:
    """Checks the metrics' names, and that the metric for early stopping is among them."""
    from recbole.evaluator import metric_types
    from recbole.utils import EvaluatorType

    metrics = listed(values["metrics"])
    ks = [values["topk"]] if isinstance(values["topk"], Integral) else values["topk"]
    known = OneOf(*metric_types, ignore_case=True)
    if all(map(is_path, metrics)):
        raise UsageError(f"metrics = {metrics}: expected at least one of RecBole's metrics as well, such as NDCG")
    for metric in metrics:
        if is_path(metric):
            continue
        refuse_unless(known, "metrics", metric)
        if metric_types[metric.lower()] == EvaluatorType.VALUE:
            raise UsageError(
                f"metrics = {metric} is computed from labels, and a ranking has none; use GAUC, NDCG or Hit"
            )
    wanted, possible = values["valid_metric"], measured_metrics(values)
    name, _, k = wanted.rpartition("@") if isinstance(wanted, str) else ("", "", "")
    if f"{name}@{ks[0]}".lower() in map(str.lower, possible) and k.isdecimal() and int(k) not in ks:
        raise UsageError(
            f"topk = {shown(values['topk'])} lacks the {k} of valid_metric = {wanted}, by which training stops; add "
            f"{k} to topk, or set valid_metric to {name}@{ks[0]}"
        )
    refuse_unless(OneOf(*possible, ignore_case=True), "valid_metric", wanted)


def _check_effect(values: Mapping[str, Any], unread: Mapping[str, Unread]) -> None:
    """Refuses settings that RecBole has and nothing here reads, instead of ignoring them."""
    for key, (idle, why) in unread.items():
        value = values.get(key, idle)
        off = value is None and key.endswith("_interval")  # the value in RecBole's own files for models without a graph
        if not off and (value != idle or type(value) is not type(idle)):
            least = "~" if idle is None else idle
            raise UsageError(f"{key} = {shown(value)} has no effect here: {why}. Leave it at {least}")
