"""Contrast of one view with another in one direction, as in ECL-SR.

Letters: B rows, D hidden size, E extra negatives.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from recbole_cl.loss.info_nce import unit_rows


def invariance_loss(
    z: Tensor,
    z_positive: Tensor,
    temperature: float,
    extra_negatives: Tensor | None = None,
    symmetric: bool = False,
) -> Tensor:
    """Cross-entropy of identifying a row's other view among all other views, by cosine, mean over rows.

    Reference:
        Zhou et al., "Equivariant Contrastive Learning for Sequential Recommendation" (ECL-SR), RecSys 2023, Eq. 13;
        the extra negatives are section 4.4's (ICL-SR + neg.).

    Args:
        z: The representations whose partners are to be identified.
        z_positive: Their partners, row by row; each is a negative of all other rows.
        temperature: Divisor of the cosine, > 0; 0.05 in ECL-SR.
        extra_negatives: Representations that are no row's partner.
        symmetric: Whether to use the other direction, too: the mean of both.

    Shape:
        z, z_positive: [B, D], B >= 1; extra_negatives: [E, D]; result: scalar.

    Returns:
        The mean loss; 0 with a zero gradient if there is no negative, as with B = 1.

    Raises:
        ValueError: The temperature is not positive or the views' shapes differ.

    Note:
        A row has B - 1 negatives, all of the other view, as in the authors' code. Eq. 13 has the other rows' plain
            views instead, and a sum over users where this is a mean. ``info_nce`` differs: it has both directions, and
            also negatives from the row's own view. Computed in float32 or wider, because at a temperature of 0.05
            bfloat16 has an error of about 0.1.
    """
    if not temperature > 0:
        raise ValueError(f"temperature is {temperature}; it must be greater than 0")
    if z.dim() != 2 or z.shape != z_positive.shape:
        raise ValueError(f"the views have shapes {tuple(z.shape)} and {tuple(z_positive.shape)}; both must be [B, D]")
    with torch.autocast(z.device.type, enabled=False):
        a, b = unit_rows(z), unit_rows(z_positive)
        extra = [] if extra_negatives is None else [unit_rows(extra_negatives)]
        loss = _one_direction(a, torch.cat([b, *extra]), temperature)
        if symmetric:
            loss = (loss + _one_direction(b, torch.cat([a, *extra]), temperature)) / 2
    return loss


def _one_direction(queries: Tensor, candidates: Tensor, temperature: float) -> Tensor:
    """Mean loss of queries [B, D], the partner of query i being candidate i of [B + E, D]."""
    logits = queries @ candidates.t() / temperature  # [B, B + E]
    return F.cross_entropy(logits, torch.arange(len(queries), device=queries.device))
