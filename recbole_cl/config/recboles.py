"""Settings of RecBole's own models, typed by its YAML files: these hold a default of each, and RecBole checks none."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le
from pydantic import create_model

from recbole_cl.config.models import recboles_presets
from recbole_cl.config.presets import model_defaults, read_settings
from recbole_cl.config.schema import Count, Depth, OneOf, Pattern, Positive, Rate, Settings, Size, Width


class _CrossEntropy(OneOf):
    """The loss that needs no negatives in the batches, of which the loader here makes none."""

    def __init__(self) -> None:
        super().__init__("CE")

    @property
    def expected(self) -> str:
        return "CE; the loader here makes no negatives, as BPR needs: train with that by RecBole itself"


_Facets = Annotated[int, Ge(-1024), Le(1024)]

# What a default alone does not say of a key.
_RANGES: dict[str, Any] = {
    **dict.fromkeys(("n_layers", "num_layers", "step", "block_num"), Depth),
    **dict.fromkeys(("n_heads", "hidden_size", "inner_size", "embedding_size", "nv", "nh"), Width),
    **dict.fromkeys(("hidden_dropout_prob", "attn_dropout_prob", "dropout_prob", "sess_dropout", "item_dropout"), Rate),
    **dict.fromkeys(("layer_norm_eps", "initializer_range", "temperature", "tau_ratio"), Positive),
    **dict.fromkeys(("n_facet_context", "n_facet_reranker", "n_facet_emb", "n_facet_window", "n_facet_MLP"), _Facets),
    **dict.fromkeys(("context_norm", "post_remove_context"), Literal[0, 1]),
    "use_proj_bias": Literal[0, 1] | bool,
    "hidden_act": Annotated[str, OneOf("gelu", "relu", "swish", "tanh", "sigmoid")],
    "loss_type": Annotated[str, _CrossEntropy()],
    "reranker_CAN_NUM": Count | Annotated[str, Pattern(r"\d+(,\d+)*", "sizes such as 500,100,20")],
}


def recboles_settings(model_class: type) -> type[Settings]:
    """The class of the settings that a model has from RecBole.

    Args:
        model_class: A model of RecBole's, or a class that extends one.

    Returns:
        A class with a field for each key of RecBole's YAML file of the model, of the type of its default; one without
        fields for a model of ours.
    """
    return _settings(_recboles_name(model_class))


def defaults_of(model_class: type) -> dict[str, Any]:
    """Values of our YAML files and, for a model of RecBole's, of its own there: where nobody says else."""
    return _defaults(_recboles_name(model_class)) | model_defaults(model_class)


def _recboles_name(model_class: type) -> str:
    """The name of RecBole's class that a model is, or extends."""
    return next((cls.__name__ for cls in model_class.__mro__ if cls.__module__.startswith("recbole.")), "")


def _defaults(name: str) -> dict[str, Any]:
    path = recboles_presets() / f"{name}.yaml"
    return read_settings(path) if path.is_file() else {}


@cache
def _settings(name: str) -> type[Settings]:
    fields: dict[str, Any] = {key: (_RANGES.get(key) or _type(it), ...) for key, it in _defaults(name).items()}
    return create_model(name, __base__=Settings, **fields)


def _type(default: Any) -> Any:
    if isinstance(default, list):
        return list[_type(default[0])]  # type: ignore[misc]  # a type that is computed
    return Size if type(default) is int and default > 0 else type(default)
