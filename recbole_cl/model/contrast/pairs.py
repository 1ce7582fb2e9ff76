"""Pairs of views, as the methods that make them hand them to any in-batch contrast.

Letters: T targets, R rows of a view, D hidden size.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor

from recbole_cl.encoder.packing import Rows

Encode = Callable[..., list[Tensor]]  # of any number of ``Rows``: ``ContrastiveRecommender.encode``


class ViewPairs(NamedTuple):
    """What one encoding pass over a batch gives.

    Attributes:
        hidden: Outputs of the batch's ``supervised`` rows. Shape [T, D].
        pairs: The two views of every contrastive term, by the term's name. Shape [R, D] each.
        rows_b: What the second view of each encodes, by the same names.
    """

    hidden: Tensor
    pairs: dict[str, tuple[Tensor, Tensor]]
    rows_b: dict[str, Rows]
