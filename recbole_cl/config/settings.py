"""Settings that all models share: what each may be, how they fit together, and what a misspelt one probably meant."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterable, Mapping
from numbers import Integral
from typing import Any

from recbole_cl.config.checks import (
    AnyOf,
    Check,
    Choice,
    Encoding,
    Flag,
    Integer,
    ListOf,
    Number,
    OrNone,
    Pattern,
    Table,
    Text,
)
from recbole_cl.errors import UsageError
from recbole_cl.registry import attribute_of, is_path

DEFAULT_MODEL, DEFAULT_DATASET = "DuoRec", "ml-100k"

_POSITIVE = Number(low=0, open_low=True)
_NOT_NEGATIVE = Number(low=0)
_RATE = Number(low=0, high=1, open_high=True)
_SHARE = Number(low=0, high=1)
_COUNT = Integer(low=1)
_PLACES = Integer(low=0, high=16)
_FULL = Choice("full")  # targets are ranked among all items, never among sampled ones
_END = r"\s*[-+]?(inf|\d+\.?\d*(e[-+]?\d+)?)\s*"
_INTERVALS = Pattern(rf"(?i)[\[(]{_END},{_END}[\])](;\s*[\[(]{_END},{_END}[\])])*", 'an interval such as "[5,inf)"')
_NAMES = ListOf(Text())
_COLUMNS = AnyOf(Choice("*"), _NAMES)

CHECKS: dict[str, Check] = {
    # run
    "model": Text(),
    "dataset": Text(),
    "seed": Integer(low=0, high=2**32 - 1),
    "reproducibility": Flag(),
    "state": OrNone(Choice("debug", "info", "warning", "error", "critical", ignore_case=True)),
    "gpu_id": OrNone(AnyOf(Integer(low=0), Text(empty=True), ListOf(Integer(low=0)))),
    "use_gpu": Flag(),
    "worker": Integer(low=0),
    "data_path": Text(),
    "checkpoint_dir": Text(),
    "resume": OrNone(Text()),
    "show_progress": Flag(),
    "log_wandb": Flag(),
    "wandb_project": Text(),
    "save_dataset": Flag(),
    "save_dataloaders": Flag(),
    "dataset_save_path": OrNone(Text()),
    "dataloaders_save_path": OrNone(Text()),
    # training
    "epochs": Integer(low=0),
    "train_batch_size": _COUNT,
    "shuffle": Flag(),
    "learner": Choice("adam", "adamw", "sgd", "adagrad", "rmsprop", ignore_case=True),
    "learning_rate": _POSITIVE,
    "learning_rate_schedule": Choice("constant", "cosine"),
    "warmup_share": _SHARE,
    "floor_share": _SHARE,
    "weight_decay": _NOT_NEGATIVE,
    "clip_grad_norm": OrNone(
        Table(
            {"max_norm": _POSITIVE, "norm_type": _POSITIVE, "error_if_nonfinite": Flag(), "foreach": OrNone(Flag())},
            required=("max_norm",),
        )
    ),
    "train_neg_sample_args": OrNone(
        Table(
            {
                "distribution": Choice("uniform", "popularity", "none"),
                "sample_num": AnyOf(_COUNT, Choice("none")),
                "alpha": AnyOf(Number(), Choice("none")),
                "dynamic": Flag(),
                "candidate_num": Integer(low=0),
            }
        )
    ),
    "eval_step": _COUNT,
    "stopping_step": _COUNT,
    "loss_decimal_place": _PLACES,
    "enable_amp": Flag(),
    "enable_scaler": Flag(),
    "loss_type": Choice("CE", "BPR"),
    # evaluation
    "eval_args": Table(
        {
            "split": Table(
                {"LS": Choice("valid_and_test")},
            ),
            "group_by": OrNone(Choice("user", "none")),
            "order": Choice("TO"),
            "mode": AnyOf(_FULL, Table({"valid": _FULL, "test": _FULL})),
        }
    ),
    "repeatable": Choice(True),
    "metrics": AnyOf(Text(), _NAMES),
    "topk": AnyOf(_COUNT, ListOf(_COUNT)),
    "valid_metric": Text(),
    "metric_decimal_place": _PLACES,
    "tail_ratio": _POSITIVE,
    "eval_batch_size": _COUNT,
    "eval_history": Choice("keep", "remove"),
    # data
    **dict.fromkeys(("USER_ID_FIELD", "ITEM_ID_FIELD", "TIME_FIELD", "RATING_FIELD", "LABEL_FIELD"), Text()),
    **dict.fromkeys(("LIST_SUFFIX", "ITEM_LIST_LENGTH_FIELD", "NEG_PREFIX", "POSITION_FIELD"), Text()),
    "field_separator": Pattern(r"(?s).", "one character"),
    "seq_separator": Pattern(r"(?s).+", "the separating characters"),
    "encoding": Encoding(),
    **dict.fromkeys(
        ("load_col", "unload_col", "val_interval", "seq_len", "threshold", "discretization"), OrNone(Table())
    ),
    **dict.fromkeys(("user_inter_num_interval", "item_inter_num_interval"), OrNone(_INTERVALS)),
    "MAX_ITEM_LIST_LENGTH": _COUNT,
    "filter_inter_by_user_or_item": Flag(),
    "rm_dup_inter": OrNone(Choice("first", "last")),
    "normalize_all": OrNone(Flag()),
    "normalize_field": OrNone(_NAMES),
    "benchmark_filename": OrNone(_NAMES),
    "transform": OrNone(
        Choice("mask_itemseq", "inverse_itemseq", "crop_itemseq", "reorder_itemseq", "user_defined"),
    ),
    # encoder
    **dict.fromkeys(("n_layers", "num_layers", "n_heads", "hidden_size", "inner_size", "embedding_size"), _COUNT),
    **dict.fromkeys(("hidden_dropout_prob", "attn_dropout_prob", "dropout_prob"), _RATE),
    "layer_norm_eps": _POSITIVE,
    "initializer_range": _POSITIVE,
    "temperature": _POSITIVE,
}

# Read by RecBole's data, trainer and evaluation code, and written in none of its YAML files.
UNDECLARED = ("encoding", "tail_ratio")

# Where and how a run is computed and shown: two runs that differ in these alone differ as two seeds do, at most.
IDLE = frozenset(
    {
        "checkpoint_dir",
        "compile_encoder",
        "data_path",
        "dataloaders_save_path",
        "dataset_save_path",
        "eval_batch_size",
        "gpu_id",
        "length_grouping",
        "log_wandb",
        "loss_decimal_place",
        "metrics",
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
    """A value that may be one or several, as a list."""
    return [value] if isinstance(value, str) else list(value)


def canonical(value: Any) -> str:
    """Text of a setting's value, the same for equal values: 1 and 1.0, keys in any order.

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


def declared_checks(model_class: type) -> dict[str, Check]:
    """Collects what a model class and its bases declare about their own settings.

    Args:
        model_class: Its ``settings``, if any, map keys to checks; a class's own outrank its bases'.

    Returns:
        Key -> check.
    """
    merged: dict[str, Check] = {}
    for cls in reversed(model_class.__mro__):
        merged.update(cls.__dict__.get("settings", {}))
    return merged


def check_settings(values: Mapping[str, Any], declared: Mapping[str, Check]) -> None:
    """Refuses bad values and values that do not fit together.

    Args:
        values: All settings of a run.
        declared: Checks of the model, which outrank the common ones; each of their keys needs a value.

    Raises:
        UsageError: With the setting, its value and the remedy.
    """
    missing = [key for key in declared if key not in values]
    if missing:
        raise UsageError(f"{', '.join(missing)}: no value; give one in the model's YAML file or in your settings")
    for key, check in {**CHECKS, **declared}.items():
        if key in values:
            check.check(key, values[key])
    _check_heads(values)
    _check_fields(values)
    _check_split(values)
    _check_times(values)
    _check_metrics(values)
    if values.get("loss_type") == "CE" and values.get("train_neg_sample_args") is not None:
        raise UsageError("train_neg_sample_args: loss_type CE samples no negatives; set train_neg_sample_args to ~")


def refuse_unknown(
    source: str,
    keys: Iterable[object],
    known: Iterable[str],
    model: str,
    keys_by_model: Callable[[], Mapping[str, Iterable[str]]],
) -> None:
    """Refuses settings that nothing reads, and tells what was probably meant.

    Args:
        source: Name of the file that holds them, or nothing.
        keys: The settings.
        known: All that the run reads.
        model: Name of the model.
        keys_by_model: Reads the keys of all models' files; called only if something is unknown.

    Raises:
        UsageError: For the first unknown setting.
    """
    known = sorted(known)
    for key in keys:
        if key not in known:
            message = _explain(str(key), known, model, keys_by_model())
            raise UsageError(f"{source}: {message}" if source else message)


def _explain(key: str, known: list[str], model: str, keys_by_model: Mapping[str, Iterable[str]]) -> str:
    owners = [name for name, keys in keys_by_model.items() if name != model and key in keys]
    near = _nearest(key, known)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    if not owners:
        return f"unknown setting {key!r}{hint or f'; {model} has nothing like it'}"
    more = f" and {len(owners) - 3} more" if len(owners) > 3 else ""
    return f"{key!r} is a setting of {', '.join(owners[:3])}{more}, not of {model}{hint}"


def _nearest(key: str, known: list[str]) -> list[str]:
    """Up to three known settings that resemble a misspelt one: the same words first, then the same letters."""
    folded = {name.lower(): name for name in known}
    word = key.lower().replace("-", "_")
    if word in folded:
        return [folded[word]]
    holders = [name for low, name in folded.items() if len(word) >= 4 and word in low.split("_")]
    close = [folded[low] for low in difflib.get_close_matches(word, folded, n=1, cutoff=0.7)]
    return holders[:3] or close


def _check_heads(values: Mapping[str, Any]) -> None:
    if values.get("encoder", "transformer") != "transformer" and values.get("extra_layer_kind") != "transformer":
        return  # nothing of ours attends; another encoder says itself whether it needs heads
    size, heads = values.get("hidden_size"), values.get("n_heads")
    if size is not None and heads is not None and size % heads:
        raise UsageError(f"hidden_size = {size}: expected a multiple of n_heads = {heads}")


def _check_fields(values: Mapping[str, Any]) -> None:
    """Checks that no two columns of a batch have one name, and that the interactions' columns are loaded."""
    names = {key: values[key] for key in ("USER_ID_FIELD", "ITEM_ID_FIELD", "TIME_FIELD", "ITEM_LIST_LENGTH_FIELD")}
    names["ITEM_ID_FIELD + LIST_SUFFIX"] = f"{values['ITEM_ID_FIELD']}{values['LIST_SUFFIX']}"
    owner: dict[str, str] = {}
    for key, name in names.items():
        if (other := owner.setdefault(name, key)) != key:
            raise UsageError(f"{key} = {name}: {other} has that name, too; choose another")
    for key in ("load_col", "unload_col"):
        for source, columns in (values.get(key) or {}).items():
            _COLUMNS.check(f"{key}.{source}", columns)
    if values.get("load_col") is not None and "inter" not in values["load_col"]:
        raise UsageError(f"load_col = {values['load_col']}: inter is missing, whose columns users and items are in")


def _check_split(values: Mapping[str, Any]) -> None:
    split = values["eval_args"].get("split", {"LS": "valid_and_test"})
    if len(split) != 1:
        raise UsageError(f"eval_args.split = {split}: expected LS: valid_and_test")


def _check_times(values: Mapping[str, Any]) -> None:
    """Checks which times are kept: RecBole logs a warning at what is no interval, and keeps all or none."""
    intervals = values.get("val_interval") or {}
    if (time := values.get("TIME_FIELD")) in intervals:
        _INTERVALS.check(f"val_interval.{time}", intervals[time])


def _check_metrics(values: Mapping[str, Any]) -> None:
    """Checks the metrics' names, and that the one for early stopping is among them."""
    from recbole.evaluator import metric_types
    from recbole.utils import EvaluatorType

    metrics = listed(values["metrics"])
    ks = [values["topk"]] if isinstance(values["topk"], Integral) else values["topk"]
    known = Choice(*metric_types, ignore_case=True)
    possible: list[object] = []
    if all(map(is_path, metrics)):
        raise UsageError(f"metrics = {metrics}: expected at least one of RecBole's beside, such as NDCG")
    for metric in metrics:
        if is_path(metric):
            possible += [f"{attribute_of(metric)}@{k}" for k in ks]
            continue
        known.check("metrics", metric)
        at_k = metric_types[metric.lower()] == EvaluatorType.RANKING and metric.lower() != "gauc"
        possible += [f"{metric}@{k}" for k in ks] if at_k else [metric]
    Choice(*possible, ignore_case=True).check("valid_metric", values["valid_metric"])
