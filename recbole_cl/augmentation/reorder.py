"""Item reorder. Letters: B batch, L length."""

from __future__ import annotations

import torch
from torch import Tensor

from recbole_cl.augmentation.positions import Rounding, Span, draw_span, item_count
from recbole_cl.batch import Rows
from recbole_cl.ragged import columns


def reorder(
    item_seq: Tensor,
    seq_len: Tensor,
    generator: torch.Generator,
    *,
    ratio: float,
    rounding: Rounding = "floor",
    span: Span = "any",
) -> Rows:
    """Shuffles a contiguous part of each row.

    Reference:
        Xie et al., Contrastive Learning for Sequential Recommendation (CL4SRec), ICDE 2022, item reorder; Liu et
        al., Contrastive Self-supervised Sequential Recommendation with Robust Augmentation (CoSeRec), 2021, Eq. 6.

    Args:
        item_seq: Right padded rows.
        seq_len: Row lengths, in 1..L.
        generator: Source of randomness, on the rows' device.
        ratio: Share of the row that is shuffled, in [0, 1]: 0.6 in CL4SRec, 0.2 to 0.7 in CoSeRec.
        rounding: Rounding of the number of items: ``floor`` in both codes, ``ceil`` in CoSeRec's paper.
        span: ``any`` part of the row (CL4SRec), or one ``before_last``, without the last item (CoSeRec).

    Shape:
        ``item_seq`` [B, L]; ``seq_len`` [B].

    Returns:
        The rows, with the items of one span in random order (all orders equally likely, the original included), and
            their unchanged lengths.

    Raises:
        ValueError: If ``ratio`` is outside [0, 1], or ``rounding`` or ``span`` is unknown.
    """
    start, size = draw_span(seq_len, item_count(seq_len, ratio, rounding), span, generator)
    first, column = start.unsqueeze(1), columns(item_seq)
    inside = (column >= first) & (column < first + size.unsqueeze(1))  # [B, L]
    draw = torch.rand(item_seq.shape, generator=generator, device=item_seq.device, dtype=torch.float64)
    # Keys inside are in [start, start + 1), elsewhere they equal the column number, so only the span is permuted.
    source = torch.where(inside, first + draw, column.double()).argsort(dim=1)
    return Rows(item_seq.gather(1, source), seq_len.clone())
