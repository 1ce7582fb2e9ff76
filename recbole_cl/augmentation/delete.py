"""Item deletion. Letters: B batch, L length."""

from __future__ import annotations

import torch
from torch import Tensor

from recbole_cl.augmentation.positions import Rounding, choose_positions, item_count
from recbole_cl.batch import Rows
from recbole_cl.ragged import compact, real_items


def delete(
    item_seq: Tensor,
    seq_len: Tensor,
    generator: torch.Generator,
    *,
    ratio: float,
    rounding: Rounding = "floor",
) -> Rows:
    """Removes a share of each row's items and closes the gaps.

    Reference:
        Zhou et al., Equivariant Contrastive Learning for Sequential Recommendation (ECL-SR), RecSys 2023, Eq. 3.

    Args:
        item_seq: Right padded rows.
        seq_len: Row lengths, in 1..L.
        generator: Source of randomness, on the rows' device.
        ratio: Share of the row that is removed, in [0, 1], commonly 0.2.
        rounding: Rounding of the number of items, ``floor`` or ``ceil``.

    Shape:
        ``item_seq`` [B, L]; ``seq_len`` [B].

    Returns:
        The remaining items, in order, moved to column 0, and their number, which is at least 1.

    Raises:
        ValueError: If ``ratio`` is outside [0, 1] or ``rounding`` is unknown.
    """
    count = torch.minimum(item_count(seq_len, ratio, rounding), seq_len - 1)
    gone = choose_positions(item_seq, seq_len, count, generator)
    return Rows(*compact(item_seq, real_items(item_seq, seq_len) & ~gone, item_seq.size(1)))
