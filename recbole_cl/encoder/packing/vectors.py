"""Encoding rows that are made of vectors instead of ids. Letters: T items of all rows together, D hidden size."""

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
    """Encodes rows of vectors that are given themselves, where a model's ``encode`` looks ids up.

    Args:
        encoder: Takes packed vectors and their packing.
        vectors: One for every item of the rows, row after row.
        rows: The rows, of whose ids only the shape counts; outputs are those of every position.
        group_by_length: As for ``pack``.
        last_position: As for ``pack``.
        bidirectional: Whether every position looks at the later ones, too, even if the encoder is causal.

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
