"""Small models on made-up catalogues, with weights copied from RecBole's parameter names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from recbole_cl.config.models import model_class
from recbole_cl.config.presets import model_defaults
from recbole_cl.interop.sasrec import transformer_state as recboles_state
from recbole_cl.testing.gradients import losses_and_gradients as losses_and_gradients  # for those who build here


class Settings(dict[str, Any]):
    """As much of a Config as models read: the value of a key, or None."""

    def __missing__(self, key: str) -> None:
        return None


class Counts:
    """As much of a dataset as models read: its number of items."""

    def __init__(self, n_items: int) -> None:
        self.n_items = n_items

    def num(self, field: str) -> int:
        return self.n_items


FIELDS = {
    "USER_ID_FIELD": "user_id",
    "ITEM_ID_FIELD": "item_id",
    "LIST_SUFFIX": "_list",
    "ITEM_LIST_LENGTH_FIELD": "item_length",
    "NEG_PREFIX": "neg_",
    "device": torch.device("cpu"),
    "seed": 1,
}


def build_model(name: str, n_items: int = 30, max_length: int = 10, **settings: Any) -> Any:
    """A model of ours without dropout, in float64, with its YAML's settings but for the given ones."""
    cls = model_class(name)
    plain = {"hidden_size": 16, "inner_size": 32, "hidden_dropout_prob": 0.0, "attn_dropout_prob": 0.0}
    config = Settings(model_defaults(cls) | FIELDS | plain | {"MAX_ITEM_LIST_LENGTH": max_length} | settings)
    return cls(config, Counts(n_items)).double()


def load_recbole_weights(model: Any, weights: Mapping[str, np.ndarray[Any, Any] | Tensor]) -> None:
    """Copies the weights of RecBole's (or DuoRec's) SASRec-shaped model into ours."""
    state = {f"encoder.{name}": value for name, value in transformer_state(weights).items()}
    state["item_embedding.weight"] = torch.as_tensor(weights["item_embedding.weight"])
    model.load_state_dict(model.state_dict() | state)  # what a method adds stays as it is


def oracle_model(name: str, values: Mapping[str, Any], **settings: Any) -> Any:
    """A model in eval mode, of the size and with the weights of DuoRec's code (keys that begin with ``w::``)."""
    sizes = {"hidden_size": 8, "inner_size": 32, "n_items": 13, "max_length": 6}
    model = build_model(name, **sizes, **settings).eval()
    load_recbole_weights(model, {key[3:]: value for key, value in values.items() if key.startswith("w::")})
    return model


def transformer_state(weights: Mapping[str, np.ndarray[Any, Any] | Tensor], prefix: str = "") -> dict[str, Tensor]:
    """The state of our Transformer out of RecBole's parameters, of whose names those with the prefix are taken."""
    return recboles_state(
        {name[len(prefix) :]: torch.as_tensor(it) for name, it in weights.items() if name.startswith(prefix)}
    )


# The S3Rec family's parameter names, and RecBole's.
_RECBOLE_NAMES = {
    "item_embeddings": "item_embedding",
    "position_embeddings": "position_embedding",
    "item_encoder.layer": "trm_encoder.layer",
    ".attention.": ".multi_head_attention.",
    ".intermediate.": ".feed_forward.",
}


def load_s3rec_weights(model: Any, weights: Mapping[str, np.ndarray[Any, Any] | Tensor]) -> None:
    """Copies the weights of a model of CoSeRec's or SRMA's code into ours."""
    renamed = {}
    for name, value in weights.items():
        for theirs, recboles in _RECBOLE_NAMES.items():
            name = name.replace(theirs, recboles)
        renamed[name] = value
    load_recbole_weights(model, renamed)


def from_left_padded(item_seq: Tensor) -> tuple[Tensor, Tensor]:
    """Left-padded rows as right-padded ones with their lengths; id 0 may stand inside a row."""
    width = item_seq.shape[1]
    seq_len = width - (item_seq > 0).int().argmax(dim=1)
    turned = (torch.arange(width) + (width - seq_len)[:, None]) % width
    return item_seq.gather(1, turned), seq_len
