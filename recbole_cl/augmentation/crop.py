"""Item crop. Letters: B batch, L length."""

from __future__ import annotations

import torch
from torch import Tensor

from recbole_cl.augmentation.positions import Rounding, Span, draw_span, item_count
from recbole_cl.batch import Rows
from recbole_cl.ragged import columns


def crop(
    item_seq: Tensor,
    seq_len: Tensor,
    generator: torch.Generator,
    *,
    ratio: float,
    rounding: Rounding = "floor",
    span: Span = "any",
) -> Rows:
    """Keeps a contiguous part of each row and drops the rest.

    Reference:
        Xie et al., Contrastive Learning for Sequential Recommendation (CL4SRec), ICDE 2022, item crop; Liu et al.,
        Contrastive Self-supervised Sequential Recommendation with Robust Augmentation (CoSeRec), 2021, Eq. 4.

    Args:
        item_seq: Right padded rows.
        seq_len: Row lengths, in 1..L.
        generator: Source of randomness, on the rows' device.
        ratio: Share of the row that is kept, in [0, 1]: 0.6 in CL4SRec, 0.2 in CoSeRec.
        rounding: Rounding of the number of items: ``floor`` in both codes, ``ceil`` in CoSeRec's paper.
        span: ``any`` part of the row (CL4SRec), or one ``before_last``, without the last item (CoSeRec).

    Shape:
        ``item_seq`` [B, L]; ``seq_len`` [B].

    Returns:
        The kept items, moved to column 0, and their number. If the share rounds to no item, one item is kept, any of
            the row with equal probability, the last included.

    Raises:
        ValueError: If ``ratio`` is outside [0, 1], or ``rounding`` or ``span`` is unknown.

    Note:
        The public CL4SRec code would leave nothing of a row of one item; its loader never crops such a row.
        CoSeRec's code fails with a ratio of 1; here all but the last item are kept.
    """
    start, size = draw_span(seq_len, item_count(seq_len, ratio, rounding), span, generator)
    kept = size.clamp(min=1)
    column = columns(item_seq)
    source = (start.unsqueeze(1) + column).clamp(max=item_seq.size(1) - 1)  # [B, L]
    cropped = item_seq.gather(1, source).masked_fill_(column >= kept.unsqueeze(1), 0)
    return Rows(cropped, kept)
