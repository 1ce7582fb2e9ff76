"""Alignment and uniformity of representations, as published.

Letters: B batch, D width of a representation.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def alignment(z_a: Tensor, z_b: Tensor) -> Tensor:
    """Mean distance between the two views of a sequence; lower is better aligned.

    Reference:
        Wang & Isola, "Understanding Contrastive Representation Learning through Alignment and Uniformity on the
        Hypersphere", ICML 2020, section 4.1 (alpha = 2); Qiu et al. (DuoRec), WSDM 2022, Eq. 6.

    Args:
        z_a: First view.
        z_b: Second view, row i of the same sequence as row i of `z_a`.

    Shape:
        z_a, z_b: [B, D]; result: scalar.

    Returns:
        The mean over B.

    Note:
        DuoRec's code computes plain distances of vectors as they are; its paper gives the published definition.
    """
    return (F.normalize(z_a, dim=1) - F.normalize(z_b, dim=1)).square().sum(dim=1).mean()


def uniformity(z: Tensor) -> Tensor:
    """Log of the mean Gaussian potential over all pairs of rows; lower is more evenly spread.

    Reference:
        Wang & Isola, ICML 2020, section 4.1 (t = 2); Qiu et al. (DuoRec), WSDM 2022, Eq. 7.

    Args:
        z: Representations of one view.

    Shape:
        z: [B, D], B >= 2 (memory grows with B^2 / 2); result: scalar.

    Returns:
        The log of the mean over pairs.

    Raises:
        ValueError: There are fewer than two rows.
    """
    if z.size(0) < 2:
        raise ValueError(f"uniformity needs at least 2 rows to form a pair; got {z.size(0)}")
    distance = torch.pdist(F.normalize(z, dim=1)).square()  # [B(B-1)/2]
    return torch.logsumexp(-2 * distance, dim=0) - math.log(distance.numel())
