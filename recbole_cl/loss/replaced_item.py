"""Replaced-item detection: which items of a row are original, and which were inserted by an augmentation.

Letters: T items of all rows together.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def replaced_item_loss(logits: Tensor, replaced: Tensor) -> Tensor:
    """Binary cross-entropy of distinguishing replaced items from original ones, mean over items.

    Reference:
        Zhou et al., "Equivariant Contrastive Learning for Sequential Recommendation" (ECL-SR), RecSys 2023, Eq. 15.

    Args:
        logits: Log-odds that an item is replaced, at real positions only.
        replaced: Whether the item is replaced.

    Shape:
        logits: [T], T >= 1; replaced: [T], bool; result: scalar.

    Returns:
        The mean loss.

    Note:
        The paper predicts that an item is original, the authors' code that it is replaced; this only changes the sign
            of the weights. The paper sums over all positions except the first; the code, like this function, averages
            over all of them. The code keeps probabilities at least 1e-8 away from 0 and 1, beyond which the gradient is
            lost; log-odds need no bounds.
    """
    return F.binary_cross_entropy_with_logits(logits, replaced.to(logits.dtype))
