"""Chooses the items that a cloze hides. Letters: B batch, L length."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from recbole_cl.ragged import columns, real_items

Always = Literal["one", "last", "none"]


def choose_hidden(
    item_seq: Tensor, seq_len: Tensor, generator: torch.Generator, *, ratio: float, always: Always
) -> Tensor:
    """Hides each item with a given probability, independently of the others.

    Reference:
        Sun et al., "BERT4Rec: Sequential Recommendation with Bidirectional Encoder Representations from Transformer",
        CIKM 2019, section 3.6; ``last``: Zhou et al., "S3-Rec", CIKM 2020, section 4.2, as in its code.

    Args:
        item_seq: Right padded rows; only their shape and device are used.
        seq_len: Row lengths.
        generator: Source of randomness, on the rows' device.
        ratio: The probability, in (0, 1].
        always: Items that are hidden in any case: ``one`` item, a random one if none is drawn; the ``last`` item; or
            ``none``.

    Shape:
        ``item_seq`` [B, L]; ``seq_len`` [B]; the result [B, L].

    Returns:
        True at hidden items, never at padding.

    Raises:
        ValueError: If ``always`` is unknown.
    """
    if always not in get_args(Always):
        raise ValueError(f"always {always!r} is unknown: use 'one', 'last' or 'none'")
    draw = torch.rand(item_seq.shape, generator=generator, device=item_seq.device)
    draw = draw.masked_fill(~real_items(item_seq, seq_len), 2.0)
    hidden = draw < ratio
    if always == "one":
        hidden.scatter_(1, draw.argmin(dim=1, keepdim=True), True)
    return hidden | last_items(item_seq, seq_len) if always == "last" else hidden


def last_items(item_seq: Tensor, seq_len: Tensor) -> Tensor:
    """True at the last item of each row, [B, L]."""
    return columns(item_seq) == seq_len.unsqueeze(1) - 1
