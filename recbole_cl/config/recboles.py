"""Settings of RecBole's own models, with types from the defaults in its YAML files; RecBole itself checks none."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le
from pydantic import create_model

from recbole_cl.config.common import CommonSettings
from recbole_cl.config.models import recboles_presets
from recbole_cl.config.presets import model_defaults, read_settings
from recbole_cl.config.schema import Count, Depth, OneOf, Pattern, Positive, Rate, Settings, Size, Width
from recbole_cl.errors import UsageError

_Facets = Annotated[int, Ge(-1024), Le(1024)]

# Types that the default value does not show. A key after a model's name and a dot applies to this model only.
_RANGES: dict[str, Any] = {
    **dict.fromkeys(("n_layers", "num_layers", "step", "block_num"), Depth),
    **dict.fromkeys(("n_heads", "hidden_size", "inner_size", "embedding_size", "nv", "nh"), Width),
    **dict.fromkeys(("hidden_dropout_prob", "attn_dropout_prob", "dropout_prob", "sess_dropout", "item_dropout"), Rate),
    **dict.fromkeys(("layer_norm_eps", "initializer_range", "temperature", "tau_ratio"), Positive),
    **dict.fromkeys(("n_facet_context", "n_facet_reranker", "n_facet_emb", "n_facet_window", "n_facet_MLP"), _Facets),
    **dict.fromkeys(("context_norm", "post_remove_context"), Literal[0, 1]),
    "use_proj_bias": Literal[0, 1] | bool,
    "hidden_act": Annotated[str, OneOf("gelu", "relu", "swish", "tanh", "sigmoid")],
    "loss_type": Annotated[str, OneOf("CE", "BPR")],
    **dict.fromkeys(("global_ratio", "spatial_ratio", "topk_factor", "q"), float),
    "fredom_type": Literal["us", "un", "su", "us_x", "None"] | None,
    **dict.fromkeys(("pretrain_path", "mf_pretrain_path", "mlp_pretrain_path"), str | None),
    "CDAE.loss_type": Annotated[str, OneOf("BCE", "MSE")],
    "SINE.loss_type": Annotated[str, OneOf("CE", "BPR", "NLL")],
    "LINE.order": Literal[1, 2],
    "S3Rec.train_stage": Literal["pretrain", "finetune"],
    "RaCT.train_stage": Literal["actor_pretrain", "critic_pretrain", "finetune"],
    "reranker_CAN_NUM": Count | Annotated[str, Pattern(r"\d+(,\d+)*", "sizes such as 500,100,20")],
}

# Keys that a model reads but its YAML file leaves out.
_UNDECLARED: dict[str, dict[str, Any]] = {
    "FEARec": {"contrast": None, "tau": None, "sim": None},
    **dict.fromkeys(("DiffRec", "LDiffRec"), {"norm": None}),
}
_OF_UNDECLARED: dict[str, Any] = {
    "contrast": Literal["us", "un", "su", "us_x"] | None,
    "tau": Positive | None,
    "sim": Literal["dot", "cos"] | None,
    "norm": bool | None,
}

# RecBole's own default for models that need negatives; our models use none of these.
NEGATIVES = {"distribution": "uniform", "sample_num": 1, "alpha": 1.0, "dynamic": False, "candidate_num": 0}
_OF_ENTITIES = {
    "additional_feat_suffix": ["ent"],
    "alias_of_item_id": ["ent_id"],
    "preload_weight": {"ent_id": "ent_emb"},
}
_LABELLED = ("DIN", "DIEN")  # sequential models trained on labels, which sampled negatives provide


def recboles_settings(model_class: type) -> type[Settings]:
    """The settings class of a model from RecBole.

    Args:
        model_class: A RecBole model, or a class that extends one.

    Returns:
        A class with a field for each key of RecBole's YAML file of the model, with the type of its default. For a model
        of ours, a class without fields.
    """
    return _settings(_recboles_name(model_class))


def defaults_of(model_class: type) -> dict[str, Any]:
    """The default values of our YAML files and, for a RecBole model, of RecBole's file."""
    return _defaults(_recboles_name(model_class)) | model_defaults(model_class)


def undeclared_keys(model_class: type) -> dict[str, Any]:
    """Keys that a RecBole model reads but its YAML file leaves out, with the values they then take."""
    return dict(_UNDECLARED.get(_recboles_name(model_class), {}))


def complete(values: dict[str, Any], model_class: Any, given: Collection[str]) -> None:
    """Sets what the batches of a RecBole model need and the user has not set: negatives, and item columns.

    Presplit data are read with all columns, because the columns determine the data's form.

    Args:
        values: All settings of the run; modified in place.
        model_class: The model.
        given: Keys that the user has set.

    Raises:
        UsageError: If the model needs files that nothing here reads.
    """
    if not values.get("train_neg_sample_args") and needs_negatives(model_class, values):
        values["train_neg_sample_args"] = dict(NEGATIVES)
    name = _recboles_name(model_class)
    if name == "KSR":
        raise UsageError("KSR needs a knowledge graph (.kg and .link), which nothing here reads: train it with RecBole")
    if name == "GRU4RecKG" and "load_col" not in given:
        given_columns = {key: value for key, value in _OF_ENTITIES.items() if key not in given}
        values.update(given_columns, load_col={**values["load_col"], "ent": ["ent_id", "ent_emb"]})
    if "load_col" not in given and values.get("benchmark_filename") and values["load_col"]:
        values["load_col"] = {**values["load_col"], "inter": "*"}
    if "load_col" not in given and (columns := item_columns(values)) and values["load_col"]:
        values["load_col"] = {**values["load_col"], "item": [values["ITEM_ID_FIELD"], *columns]}


def needs_negatives(model_class: Any, values: Mapping[str, Any]) -> bool:
    """Whether RecBole's trainer gives the model only batches with sampled negatives."""
    if is_ours(model_class):
        return False
    if not _is_sequential(model_class) or _recboles_name(model_class) in _LABELLED:
        return True
    pairwise = getattr(getattr(model_class, "input_type", None), "name", "") == "PAIRWISE"
    return values.get("loss_type") == "BPR" or (pairwise and values.get("loss_type") not in ("CE", "NLL"))  # SINE


def item_columns(values: Mapping[str, Any]) -> list[str]:
    """Columns of the ``.item`` file that a RecBole model reads."""
    attribute = values.get("item_attribute")
    return [*(values.get("selected_features") or []), *([attribute] if attribute else [])]


def trained_by_recbole(config: Any) -> bool:
    """Whether a model trains on RecBole's batches with RecBole's trainer, because it reads more than item sequences.

    Args:
        config: The settings of the run.
    """
    cls = config.model_class
    if is_ours(cls):
        return False
    negatives = (config["train_neg_sample_args"] or {}).get("distribution", "none") != "none"
    own_way = _recboles_name(cls) in ("FEARec", "S3Rec")  # FEARec samples by itself; S3Rec has its own trainer
    return negatives or bool(config["transform"]) or own_way or not _is_sequential(cls)


def is_ours(model_class: Any) -> bool:
    """Whether a model has the interface of this package's own models."""
    return hasattr(model_class, "named_losses")


def _is_sequential(model_class: Any) -> bool:
    return bool(model_class.type.name == "SEQUENTIAL")


def _recboles_name(model_class: type) -> str:
    """The name of the RecBole class that a model is, or extends."""
    return next((cls.__name__ for cls in model_class.__mro__ if cls.__module__.startswith("recbole.")), "")


def _defaults(name: str) -> dict[str, Any]:
    path = recboles_presets() / f"{name}.yaml"
    return (read_settings(path) if path.is_file() else {}) | _UNDECLARED.get(name, {})


@cache
def _settings(name: str) -> type[Settings]:
    ranges = _RANGES | (_OF_UNDECLARED if name in _UNDECLARED else {})
    fields: dict[str, Any] = {
        key: (ranges.get(f"{name}.{key}") or ranges.get(key) or _type(it), ...)
        for key, it in _defaults(name).items()
        if key not in CommonSettings.model_fields
    }
    return create_model(name, __base__=Settings, **fields)


def _type(default: Any) -> Any:
    if isinstance(default, list):
        return list[_type(default[0]) if default else Size]  # type: ignore[misc]  # a computed type
    return Size if type(default) is int and default > 0 else type(default)
