"""Losses as pure functions of tensors, independent of models, data and configuration."""

from __future__ import annotations

from recbole_cl.loss.chunked import chunked_cross_entropy, default_chunk_rows
from recbole_cl.loss.false_negatives import negative_pairs, negative_statistic, row_statistic, threshold_distance
from recbole_cl.loss.geometry import alignment, uniformity
from recbole_cl.loss.info_nce import info_nce, same_target_mask, similarity_matrix
from recbole_cl.loss.invariance import invariance_loss
from recbole_cl.loss.recommendation import bce, bpr, cross_entropy, sampled_softmax
from recbole_cl.loss.replaced_item import replaced_item_loss
from recbole_cl.loss.thresholded_info_nce import thresholded_info_nce

__all__ = [
    "alignment",
    "bce",
    "bpr",
    "chunked_cross_entropy",
    "cross_entropy",
    "default_chunk_rows",
    "info_nce",
    "invariance_loss",
    "negative_pairs",
    "negative_statistic",
    "replaced_item_loss",
    "row_statistic",
    "same_target_mask",
    "sampled_softmax",
    "similarity_matrix",
    "threshold_distance",
    "thresholded_info_nce",
    "uniformity",
]
