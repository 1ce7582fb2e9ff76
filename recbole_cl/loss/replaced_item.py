"""Replaced-item detection: which items of a row are its own, and which were put there by an augmentation.

Letters: T items of all rows together.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def replaced_item_loss(logits: Tensor, replaced: Tensor) -> Tensor:
    """Binary cross-entropy of telling replaced items from original ones, mean over items.

    Reference:
        Zhou et al., "Equivariant Contrastive Learning for Sequential Recommendation" (ECL-SR), RecSys 2023, Eq. 15.

    Args:
        logits: Log-odds that an item is replaced, at real positions only.
        replaced: Whether it is.

    Shape:
        logits: [T], T >= 1; replaced: [T], bool; result: scalar.

    Returns:
        The mean loss.

    Note:
        The paper predicts that an item is original, the authors' code that it is replaced: the same up to the sign of
        the weights. The paper sums over all positions but the first, the code averages over all of them, and so do we.
        The code keeps probabilities within 1e-8 of 0 and 1, where the gradient is then lost; log-odds need no bounds.
    """
    return F.binary_cross_entropy_with_logits(logits, replaced.to(logits.dtype))
