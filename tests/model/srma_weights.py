"""Weights of the authors' SRMA models under our names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from tests.model.build import build_model, load_s3rec_weights

SIZES = {"n_items": 13, "max_length": 6, "hidden_size": 8, "inner_size": 32}
_EXTRA = re.compile(r"item_encoder\.aug_layer\.augment_layers\.(\d+)\.(.*)")
_OWN = {  # the authors' name of a part of an extra layer -> ours
    "dense.": "linear.",
    "dense_1.": "inner.",
    "dense_2.": "outer.",
    "LayerNorm.": "output_norm.",
}


def build_srma(weights: Mapping[str, Tensor], **settings: Any) -> Any:
    """Our SRMA with the weights of the authors' model, mask token's row left out, in eval mode."""
    extra = {match: value for name, value in weights.items() if (match := _EXTRA.fullmatch(name))}
    trunk = {name: value for name, value in weights.items() if not _EXTRA.fullmatch(name)}
    trunk["item_embeddings.weight"] = trunk["item_embeddings.weight"][:13]
    plain = build_model("SASRec", **SIZES)
    load_s3rec_weights(plain, trunk)
    model = build_model("SRMA", **SIZES, **settings).eval()
    state = {name.replace("encoder.", "encoder.trunk."): value for name, value in plain.state_dict().items()}
    for number in {match[1] for match in extra}:
        own = {match[2]: value for match, value in extra.items() if match[1] == number}
        state |= {f"encoder.layers.{number}.{name}": value for name, value in _extra_layer(own).items()}
    model.load_state_dict(state)
    return model


def _extra_layer(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    if "attention.query.weight" in weights:
        block = {f"item_encoder.layer.0.{name}": value for name, value in weights.items()}
        return _transformer_block(block)
    renamed = {}
    for name, value in weights.items():
        theirs = next(part for part in _OWN if name.startswith(part))
        renamed[name.replace(theirs, _OWN[theirs])] = value
    return renamed


def _transformer_block(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """One block, by way of a model that has no other."""
    model = build_model("SASRec", **SIZES, n_layers=1)
    rest = {
        "item_embeddings.weight": torch.zeros(13, 8),
        "position_embeddings.weight": torch.zeros(6, 8),
        "LayerNorm.weight": torch.ones(8),
        "LayerNorm.bias": torch.zeros(8),
    }
    load_s3rec_weights(model, rest | dict(weights))
    prefix = "encoder.layers.0."
    return {name.removeprefix(prefix): value for name, value in model.state_dict().items() if name.startswith(prefix)}
