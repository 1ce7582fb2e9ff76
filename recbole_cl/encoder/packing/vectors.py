"""Encodes rows of vectors instead of ids. Letters: T items of all rows together, D hidden size."""

from __future__ import annotations

from torch import Tensor, nn

from recbole_cl.batch import Rows
from recbole_cl.encoder.packing.layout import both_ways
from recbole_cl.encoder.packing.pack import pack


def encode_vectors(
    encoder: nn.Module,
    vectors: Tensor,
    rows: Rows,
    group_by_length: bool,
    last_position: int | None = None,
    bidirectional: bool = False,
) -> Tensor:
    """Encodes rows that are given as vectors, whereas a model's ``encode`` looks up ids.

    Args:
        encoder: Maps packed vectors and their packing to outputs.
        vectors: One vector for every item of the rows, row after row.
        rows: The rows; only the shape of their ids is used. All positions have outputs.
        group_by_length: As for ``pack``.
        last_position: As for ``pack``.
        bidirectional: Whether every position attends to later ones, too, even if the encoder is causal.

    Shape:
        vectors and result: [T, D].

    Returns:
        Outputs, row after row.
    """
    packing = pack([rows._replace(wanted="items")], group_by_length, last_position)
    if bidirectional:
        packing = both_ways(packing)
    (own,) = packing.outputs
    tokens = vectors.new_zeros(len(packing.token_index), vectors.shape[-1]).index_copy(0, own, vectors)
    output: Tensor = encoder(tokens, packing)
    return output.index_select(0, own)
