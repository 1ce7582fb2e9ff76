"""Item mask. Letters: B batch, L length, N items (rows of the item table, padding row 0 included)."""

from __future__ import annotations

import torch
from torch import Tensor

from recbole_cl.augmentation.positions import Rounding, choose_positions, item_count
from recbole_cl.batch import Rows


def mask(
    item_seq: Tensor,
    seq_len: Tensor,
    generator: torch.Generator,
    *,
    ratio: float,
    fill_id: int,
    rounding: Rounding = "floor",
) -> Rows:
    """Replaces a share of each row's items by one id.

    Reference:
        Xie et al., Contrastive Learning for Sequential Recommendation (CL4SRec), ICDE 2022, item mask; Liu et al.,
        Contrastive Self-supervised Sequential Recommendation with Robust Augmentation (CoSeRec), 2021, Eq. 5.

    Args:
        item_seq: Right padded rows.
        seq_len: Row lengths, in 1..L.
        generator: Source of randomness, on the rows' device.
        ratio: Share of the row that is replaced, in [0, 1]: 0.3 in CL4SRec, 0.7 in CoSeRec.
        fill_id: The id to write: a mask token, commonly N (CL4SRec, CoSeRec's paper), or padding, 0 (CoSeRec's code:
            attention then skips the item, and the row keeps its length).
        rounding: Rounding of the number of items: ``floor`` in both codes, ``ceil`` in CoSeRec's paper.

    Shape:
        ``item_seq`` [B, L]; ``seq_len`` [B].

    Returns:
        The rows with ``fill_id`` at distinct, uniformly chosen positions, and their unchanged lengths.

    Raises:
        ValueError: If ``ratio`` is outside [0, 1], ``rounding`` is unknown, or ``fill_id`` is negative.
    """
    if fill_id < 0:
        raise ValueError(f"fill_id {fill_id} is negative: use the mask token's row of the item table, or 0 for padding")
    count = item_count(seq_len, ratio, rounding)
    return Rows(item_seq.masked_fill(choose_positions(item_seq, seq_len, count, generator), fill_id), seq_len.clone())
