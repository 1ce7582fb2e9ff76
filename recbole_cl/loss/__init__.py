"""Losses as pure functions of tensors: they know nothing of models, data or configuration."""

from __future__ import annotations

from recbole_cl.loss.chunked import chunked_cross_entropy, default_chunk_rows
from recbole_cl.loss.geometry import alignment, uniformity
from recbole_cl.loss.info_nce import info_nce, info_nce_logits, same_target_mask, similarity_matrix
from recbole_cl.loss.recommendation import bce, bpr, cross_entropy, sampled_softmax, uniform_negatives

__all__ = [
    "alignment",
    "bce",
    "bpr",
    "chunked_cross_entropy",
    "cross_entropy",
    "default_chunk_rows",
    "info_nce",
    "info_nce_logits",
    "same_target_mask",
    "sampled_softmax",
    "similarity_matrix",
    "uniform_negatives",
    "uniformity",
]
