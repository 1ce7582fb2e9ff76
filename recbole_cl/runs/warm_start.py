"""Starts a training from an older model with partly different items: the setting ``init_from``."""

from __future__ import annotations

from collections.abc import Mapping
from logging import getLogger
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from recbole_cl.config.presets import read_settings
from recbole_cl.data.vocabulary import ITEMS_FILE, Vocabulary, load_items
from recbole_cl.errors import UsageError
from recbole_cl.model.base import EncoderRecommender
from recbole_cl.runs.folder import BEST, CONFIG
from recbole_cl.trainer.checkpoint import load_checkpoint

FROZEN = tuple(f"item_embedding.{name}" for name in ("given", "lacking", "own"))  # weights of ``PretrainedItems``


def start_from(model: Any, items: Vocabulary, source: Path) -> None:
    """Copies the weights of a run's best epoch into a new model of the same class.

    Args:
        model: New, with fresh weights; items unknown to the older model keep theirs.
        items: The items of the new model by id.
        source: The folder of a run.

    Raises:
        UsageError: If there is no such run, its weights do not fit, or the model is a RecBole model.
    """
    if not isinstance(model, EncoderRecommender):
        raise UsageError(
            f"init_from = {source}: {type(model).__name__} is RecBole's own model; only ours start from another"
        )
    if not (source / CONFIG).is_file():
        raise UsageError(f"init_from = {source}: it is not a run folder, it has no {CONFIG}")
    name = str(read_settings(source / CONFIG).get("model")).split(".")[-1]
    if name != type(model).__name__:
        raise UsageError(
            f"init_from = {source}: it holds {name}, this is {type(model).__name__}; start from the same model"
        )
    older = load_items(source / ITEMS_FILE)
    weights = load_checkpoint(source / BEST, model.device)["state_dict"]
    own = model.state_dict()
    for key in (key for key in own if key in model.item_weights and key in weights):
        weights[key] = _rows_by_token(own[key], weights[key], items, older)
    if FROZEN[0] in own and FROZEN[0] in weights:
        _keep_given_vectors(own, weights, items, older)
    _refuse_others(own, weights, source)
    model.load_state_dict(weights)
    known = sum(items.tokens[i] in older for i in range(1, len(items)))
    getLogger().info(f"starts from {source}: {known} of {len(items) - 1} items have its vectors, the others are new")


def _rows_by_token(fresh: Tensor, trained: Tensor, items: Vocabulary, older: Vocabulary) -> Tensor:
    """The fresh rows, with trained values for known items, for padding, and for the extra rows after the items."""
    if fresh.shape[1:] != trained.shape[1:]:
        return trained  # refused later
    pairs = [(new, old) for new, token in enumerate(items.tokens) if new and (old := older.find(token))]
    behind = min(len(fresh) - len(items), len(trained) - len(older))  # extra rows, such as that of a mask token
    pairs += [(0, 0), *((len(items) + i, len(older) + i) for i in range(behind))]
    new, old = torch.tensor(pairs, device=fresh.device).T
    return fresh.index_copy(0, new, trained.to(fresh.dtype).index_select(0, old))


def _keep_given_vectors(
    own: Mapping[str, Tensor], weights: dict[str, Tensor], items: Vocabulary, older: Vocabulary
) -> None:
    """Frozen vectors are those of today's file; items that it lacks take the older model's vectors."""
    given, lacking, trained = FROZEN
    fresh, old = (it[given].index_copy(0, it[lacking], it[trained]) for it in (own, weights))
    table = _rows_by_token(fresh, old, items, older)
    if table.shape == fresh.shape:
        weights |= {given: own[given], lacking: own[lacking], trained: table[own[lacking]]}


def _refuse_others(own: Mapping[str, Tensor], weights: Mapping[str, Tensor], source: Path) -> None:
    for key in sorted(own.keys() | weights.keys()):
        ours, theirs = (tuple(it[key].shape) if key in it else "none" for it in (own, weights))
        if ours != theirs:
            raise UsageError(
                f"init_from = {source}: its {key} has shape {theirs}, here {ours}; keep the settings of that run"
            )
