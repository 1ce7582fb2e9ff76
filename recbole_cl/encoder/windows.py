"""Vectors of packed rows, row after row: windows of them, and encoding rows that are made of vectors instead of ids.

Letters: B rows, L columns, T items of all rows together, K windows of a row, D hidden size.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from recbole_cl.encoder.packing import Rows, pack


def row_numbers(seq_len: Tensor, n_items: int) -> Tensor:
    """The row of every item, [B] -> [T]; T is given as ``n_items``, so that the host need not wait for the sum."""
    rows = torch.arange(len(seq_len), device=seq_len.device)
    return torch.repeat_interleave(rows, seq_len, output_size=n_items)


def mean_of_last(hidden: Tensor, seq_len: Tensor, end: Tensor, size: int) -> Tensor:
    """Mean of the vectors in windows of a row, which end at given places and are cut off at the row's begin.

    Args:
        hidden: Vectors of all rows, row after row.
        seq_len: Number of vectors of each row, 1 or more.
        end: How many vectors of the row lie up to each window's end, in 1..``seq_len``.
        size: Vectors in a window, 1 or more; fewer where the row begins later.

    Shape:
        hidden: [T, D]; seq_len: [B]; end: [B, K]; result: [B * K, D].

    Returns:
        The means, row after row.
    """
    back = torch.arange(size, device=hidden.device)
    place = end.unsqueeze(-1) - 1 - back  # [B, K, size] places in the row
    start = (seq_len.cumsum(0) - seq_len)[:, None, None]
    picked = hidden.index_select(0, (start + place.clamp(min=0)).flatten()).view(*place.shape, -1)
    inside = (place >= 0).unsqueeze(-1)
    return ((picked * inside).sum(2) / inside.sum(2)).flatten(0, 1)


def encode_vectors(
    encoder: nn.Module,
    vectors: Tensor,
    rows: Rows,
    group_by_length: bool,
    last_position: int | None = None,
    bidirectional: bool = False,
) -> Tensor:
    """Encodes rows of vectors that are given themselves, where ``ContrastiveRecommender.encode`` looks ids up.

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
    packing = pack([rows._replace(every_position=True)], group_by_length, last_position)
    if bidirectional:
        groups = tuple(replace(group, bidirectional=True) for group in packing.groups)
        packing = replace(packing, groups=groups)
    (own,) = packing.outputs
    tokens = vectors.new_zeros(len(packing.token_index), vectors.shape[-1]).index_copy(0, own, vectors)
    output: Tensor = encoder(tokens, packing)
    return output.index_select(0, own)
