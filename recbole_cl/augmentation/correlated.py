"""Operators that use correlated items. Letters: B batch, L length, N items (padding row 0 included)."""

from __future__ import annotations

import torch
from torch import Tensor

from recbole_cl.augmentation.positions import Rounding, choose_positions, item_count
from recbole_cl.batch import Rows
from recbole_cl.ragged import compact, real_items


def substitute(
    item_seq: Tensor,
    seq_len: Tensor,
    generator: torch.Generator,
    *,
    ratio: float,
    neighbour: Tensor,
    rounding: Rounding = "floor",
) -> Rows:
    """Replaces a share of each row's items by their most correlated items.

    Reference:
        Liu et al., Contrastive Self-supervised Sequential Recommendation with Robust Augmentation (CoSeRec), 2021,
        Eq. 7.

    Args:
        item_seq: Right padded rows of ids in 0..N-1.
        seq_len: Row lengths, in 1..L.
        generator: Source of randomness, on the rows' device.
        ratio: Share of the row that is replaced, in [0, 1]: 0.05 to 0.1 in CoSeRec.
        neighbour: The most correlated item of each id, int64.
        rounding: Rounding of the number of items: ``floor``, but at least 1, in CoSeRec's code, ``ceil`` in its paper.

    Shape:
        ``item_seq`` [B, L]; ``seq_len`` [B]; ``neighbour`` [N].

    Returns:
        The rows, changed at distinct, uniformly chosen positions, and their unchanged lengths.

    Raises:
        ValueError: If ``ratio`` is outside [0, 1], ``rounding`` is unknown or ``neighbour`` is not an int64 vector.
    """
    _check_table(neighbour)
    chosen = choose_positions(item_seq, seq_len, _count(seq_len, ratio, rounding), generator)
    return Rows(torch.where(chosen, neighbour[item_seq], item_seq), seq_len.clone())


def insert(
    item_seq: Tensor,
    seq_len: Tensor,
    generator: torch.Generator,
    *,
    ratio: float,
    neighbour: Tensor,
    rounding: Rounding = "floor",
) -> Rows:
    """Inserts, for a share of each row's items, their most correlated items directly before them.

    Reference:
        Liu et al., Contrastive Self-supervised Sequential Recommendation with Robust Augmentation (CoSeRec), 2021,
        Eq. 8.

    Args:
        item_seq: Right padded rows of ids in 0..N-1.
        seq_len: Row lengths, in 1..L.
        generator: Source of randomness, on the rows' device.
        ratio: Number of inserted items per item of the row, in [0, 1]: 0.4 to 0.5 in CoSeRec.
        neighbour: The most correlated item of each id, int64.
        rounding: Rounding of the number of items: ``floor``, but at least 1, in CoSeRec's code, ``ceil`` in its paper.

    Shape:
        ``item_seq`` [B, L]; ``seq_len`` [B]; ``neighbour`` [N].

    Returns:
        The longer rows, cut to the newest L items, and their lengths.

    Raises:
        ValueError: If ``ratio`` is outside [0, 1], ``rounding`` is unknown or ``neighbour`` is not an int64 vector.
    """
    _check_table(neighbour)
    chosen = choose_positions(item_seq, seq_len, _count(seq_len, ratio, rounding), generator)
    items = torch.stack((neighbour[item_seq], item_seq), dim=2).flatten(1)  # [B, 2L]: each item after its neighbour
    keep = torch.stack((chosen, real_items(item_seq, seq_len)), dim=2).flatten(1)
    return Rows(*compact(items, keep, item_seq.size(1)))


def _count(seq_len: Tensor, ratio: float, rounding: Rounding) -> Tensor:
    return item_count(seq_len, ratio, rounding, at_least=int(rounding == "floor"))


def _check_table(neighbour: Tensor) -> None:
    if neighbour.dim() != 1 or neighbour.dtype != torch.int64:
        raise ValueError(
            f"neighbour has shape {list(neighbour.shape)} and type {neighbour.dtype}: give one int64 id per item"
        )
