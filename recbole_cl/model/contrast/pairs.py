"""Pairs of views, in the form that methods pass to any in-batch contrast.

Letters: T targets, R rows of a view, D hidden size, P numbers of a row's representation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor

from recbole_cl.batch import Rows

PairLoss = Callable[[Tensor, Tensor], Tensor]  # a contrastive loss of two views, [R, P] each


def as_encoded(hidden: Tensor, rows: Rows) -> Tensor:
    """The representations of rows, if these are the unchanged outputs of the encoder."""
    return hidden


class ViewPair(NamedTuple):
    """Two views that a contrastive term compares, and their inputs.

    Attributes:
        z_a: First view. Shape [R, P].
        z_b: Second view. Shape [R, P].
        rows_b: The input of ``z_b``.
        whole: The rows that both views were made from; outputs are wanted at the same positions as in ``rows_b``.
        represent: Converts outputs for rows to representations, in the same way as for the views.
    """

    z_a: Tensor
    z_b: Tensor
    rows_b: Rows
    whole: Rows
    represent: Callable[[Tensor, Rows], Tensor] = as_encoded


class ViewPairs(NamedTuple):
    """The result of one encoding pass over a batch.

    Attributes:
        hidden: Outputs of the batch's ``supervised`` rows. Shape [T, D].
        pairs: The two views of every contrastive term, by the term's name; [R, D] each.
        plain: Encodings of the unchanged anchors, if they were asked for. Shape [R, D].
    """

    hidden: Tensor
    pairs: dict[str, ViewPair]
    plain: Tensor | None = None
