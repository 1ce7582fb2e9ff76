"""Masked-item prediction of S3-Rec. Letters: M masked positions, D hidden size, N items (rows of the table)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def masked_item_loss(hidden: Tensor, item_table: Tensor, item: Tensor, negative: Tensor) -> Tensor:
    r"""Distinguishes each masked item from another one, mean over masked positions.

    .. math:: -\log \sigma\big(\sigma(h^\top e_+) - \sigma(h^\top e_-)\big)

    Reference:
        Zhou et al., "S3-Rec: Self-Supervised Learning for Sequential Recommendation with Mutual Information
        Maximization", CIKM 2020, Eq. 8, in the form of its code.

    Args:
        hidden: States at the masked positions, after the layer that compares them with items.
        item_table: Item embeddings.
        item: The items that were masked.
        negative: Another item for each of them.

    Shape:
        hidden: [M, D]; item_table: [N, D]; item, negative: [M]; result: scalar.

    Returns:
        The mean loss, from 0.31 to 1.31, since the inner sigmoids bound it on both sides. The authors' code uses the
            sum.
    """
    real, other = (torch.sigmoid((hidden * F.embedding(it, item_table)).sum(-1)) for it in (item, negative))
    return F.softplus(other - real).mean()
