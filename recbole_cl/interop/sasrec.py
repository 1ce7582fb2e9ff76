"""Converts the weights of SASRec between RecBole's names and ours: the same numbers, exactly, both ways."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

# Ours -> RecBole's, within a layer; queries, keys and values are one matrix here and three in RecBole.
_LAYER = {
    "attention_output": "multi_head_attention.dense",
    "attention_norm": "multi_head_attention.LayerNorm",
    "inner": "feed_forward.dense_1",
    "outer": "feed_forward.dense_2",
    "output_norm": "feed_forward.LayerNorm",
}
_PARTS = [f"multi_head_attention.{part}" for part in ("query", "key", "value")]
_OUTSIDE = {
    "position_embedding.weight": "position_embedding.weight",
    "layer_norm.weight": "LayerNorm.weight",
    "layer_norm.bias": "LayerNorm.bias",
}
_ITEMS, _ENCODER = "item_embedding.weight", "encoder."


def from_recbole(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Converts the state of RecBole's SASRec to that of ours."""
    return {_ITEMS: state[_ITEMS]} | {f"{_ENCODER}{name}": it for name, it in transformer_state(state).items()}


def to_recbole(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Converts the state of our SASRec to that of RecBole's."""
    layers = _layers(state, f"{_ENCODER}layers.{{}}.query_key_value.weight")
    theirs = {_ITEMS: state[_ITEMS]} | {name: state[f"{_ENCODER}{own}"] for own, name in _OUTSIDE.items()}
    for own, name, kind in _names(layers):
        theirs[f"{name}.{kind}"] = state[f"{_ENCODER}{own}.{kind}"]
    for i in range(layers):
        for kind in ("weight", "bias"):
            whole = state[f"{_ENCODER}layers.{i}.query_key_value.{kind}"]
            for part, matrix in zip(_PARTS, whole.chunk(3), strict=True):
                theirs[f"trm_encoder.layer.{i}.{part}.{kind}"] = matrix.clone()
    return theirs


def transformer_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Converts the state of RecBole's Transformer, with its positions and first norm, to that of ours."""
    layers = _layers(state, f"trm_encoder.layer.{{}}.{_PARTS[0]}.weight")
    ours = {own: state[name] for own, name in _OUTSIDE.items()}
    for own, name, kind in _names(layers):
        ours[f"{own}.{kind}"] = state[f"{name}.{kind}"]
    for i in range(layers):
        for kind in ("weight", "bias"):
            parts = [state[f"trm_encoder.layer.{i}.{part}.{kind}"] for part in _PARTS]
            ours[f"layers.{i}.query_key_value.{kind}"] = torch.cat(parts)
    return ours


def _layers(state: Mapping[str, Tensor], pattern: str) -> int:
    return next(i for i in range(len(state) + 1) if pattern.format(i) not in state)


def _names(layers: int) -> Iterator[tuple[str, str, str]]:
    for i in range(layers):
        for own, name in _LAYER.items():
            for kind in ("weight", "bias"):
                yield f"layers.{i}.{own}", f"trm_encoder.layer.{i}.{name}", kind
