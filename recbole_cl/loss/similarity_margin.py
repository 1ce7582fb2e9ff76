"""A penalty on the distance between positives and negatives of a contrast, as in MCLRec.

Letters: B batch, D width of a representation. The 2B rows are view a's B rows, then view b's, as in `info_nce`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from recbole_cl.loss.false_negatives import is_negative
from recbole_cl.loss.info_nce import similarity_matrix


def similarity_margin(z_a: Tensor, z_b: Tensor, temperature: float = 1.0, similarity: str = "dot") -> Tensor:
    r"""Margin of a row's positive over its highest negative, and of the higher of the two over each negative.

    With :math:`p_i` the similarity of row i to its other view, :math:`n_{ij}` its similarities to its 2B - 2 negatives,
    and :math:`m_i` the highest of these:

    .. math:: \frac{1}{2B} \sum_i \max(p_i - m_i, 0) + \frac{1}{2B(2B - 2)} \sum_{ij} (\max(p_i, m_i) - n_{ij})

    Reference:
        The regularisation of Qin et al., "Meta-optimized Contrastive Learning for Sequential Recommendation" (MCLRec),
        SIGIR 2023, as in the authors' code, which computes the extremes of each row separately.

    Args:
        z_a: First view.
        z_b: Second view, row i of the same sequence as row i of `z_a`.
        temperature: Divisor of the similarities, > 0.
        similarity: "dot" or "cosine".

    Shape:
        z_a, z_b: [B, D], any B >= 1; result: scalar.

    Returns:
        The penalty, with gradients through the extremes; 0 with a zero gradient if there is no negative (B = 1).

    Raises:
        ValueError: The temperature is not positive, the similarity is unknown or the shapes differ.
    """
    matrix = similarity_matrix(z_a, z_b, temperature, similarity)  # [2B, 2B]
    rows = matrix.size(0)
    if rows == 2:
        return matrix.sum() * 0
    place = torch.arange(rows, device=matrix.device)
    positive = matrix.gather(1, place.roll(rows // 2).unsqueeze(1)).squeeze(1)  # [2B]
    negative = is_negative(matrix)
    highest = matrix.masked_fill(~negative, -torch.inf).amax(1)  # [2B]
    mean = matrix.masked_fill(~negative, 0).sum(1) / (rows - 2)
    return ((positive - highest).relu() + torch.maximum(positive, highest) - mean).mean()
