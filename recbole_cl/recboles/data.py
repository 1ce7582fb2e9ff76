"""The training part in the form of RecBole's own loaders and models, made from ours: ids and targets are the same.

Letters: I interactions, R rows.
"""

from __future__ import annotations

from copy import copy
from typing import Any

import numpy as np
import torch
from recbole.data.dataset import Dataset
from recbole.sampler import SeqSampler
from recbole.utils import FeatureSource, FeatureType

from recbole_cl.config.config import Config
from recbole_cl.data.dataset import ROW_END, ContrastiveDataset, take_rows


def model_dataset(config: Config, train: ContrastiveDataset) -> Any:
    """The dataset that a model is built on.

    Args:
        config: The settings of the run.
        train: The training part.

    Returns:
        For a general model, RecBole's ``Dataset`` of the training interactions; for DIEN and FEARec, the rows with the
            additional fields that they read; for all others, the training part.
    """
    name = {cls.__name__ for cls in config.model_class.__mro__ if cls.__module__.startswith("recbole.")}
    if config["MODEL_TYPE"].name != "SEQUENTIAL":
        return interactions_of(train)
    if "DIEN" in name:
        return with_negative_sequences(train)
    if "FEARec" in name:  # it draws rows with the same target from the split itself
        return train.copy(train.written_out(torch.arange(len(train))))
    return train


def interactions_of(train: ContrastiveDataset) -> Dataset:
    """The interactions of a training part, each once: those that its rows read, and their targets.

    Args:
        train: The training part.

    Returns:
        RecBole's dataset for general models, with the features and ids of the given one.
    """
    place = taught(train)
    if train.names_items:  # rows overlap
        pair = train.flat[train.uid_field][place] * train.item_num + train.flat[train.iid_field][place]
        place = place[np.unique(pair.numpy(), return_index=True)[1]]
    dataset: Any = Dataset.__new__(Dataset)
    vars(dataset).update(vars(train), inter_feat=take_rows(train.flat, place), benchmark_filename_list=None)
    return dataset


def taught(train: ContrastiveDataset) -> torch.Tensor:
    """Flat positions of everything that a part's rows read or have as targets, each once, in ascending order."""
    end = train.inter_feat[ROW_END]
    bounds = torch.zeros(len(train.user_start) + 1, dtype=torch.long)
    bounds.index_add_(0, train.user_start[end], torch.ones_like(end))
    bounds.index_add_(0, end + 1, -torch.ones_like(end))
    return torch.nonzero(bounds.cumsum(0)[:-1]).squeeze(1)


def with_negative_sequences(train: ContrastiveDataset) -> ContrastiveDataset:
    """The same rows, with a negative item next to each item, from which DIEN learns."""
    dataset, config = copy(train), train.config
    field = f"{config['NEG_PREFIX']}{train.iid_field}"
    negatives = SeqSampler(train).sample_neg_sequence(train.flat[train.iid_field].numpy())
    dataset.flat = take_rows(train.flat, torch.arange(len(train.flat)))
    dataset.flat.interaction[field] = negatives
    listed = f"{field}{config['LIST_SUFFIX']}"
    setattr(dataset, f"{field}_list_field", listed)
    dataset.set_field_property(listed, FeatureType.TOKEN_SEQ, FeatureSource.INTERACTION, train.max_item_list_len)
    return dataset
