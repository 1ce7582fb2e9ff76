"""Alignment and uniformity of representations, as defined in the papers and as computed by DuoRec's code.

Letters: B batch, D width of a representation.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

FORMS = ("unit", "as_is")


def alignment(z_a: Tensor, z_b: Tensor, form: str = "unit") -> Tensor:
    """Mean distance between the two views of a sequence; lower means better aligned.

    Reference:
        Wang & Isola, "Understanding Contrastive Representation Learning through Alignment and Uniformity on the
        Hypersphere", ICML 2020, section 4.1 (alpha = 2); Qiu et al. (DuoRec), WSDM 2022, Eq. 6.

    Args:
        z_a: First view.
        z_b: Second view, row i of the same sequence as row i of `z_a`.
        form: "unit": squared distance of vectors of length 1, in [0, 4]; "as_is": distance of the unnormalised vectors.

    Shape:
        z_a, z_b: [B, D]; result: scalar.

    Returns:
        The mean over B.

    Raises:
        ValueError: The form is unknown.

    Note:
        "as_is" is the value that DuoRec's code logs; its paper gives the published definition.
    """
    _check_form(form)
    if form == "as_is":
        return torch.linalg.vector_norm(z_a - z_b, dim=1).mean()
    return (F.normalize(z_a, dim=1) - F.normalize(z_b, dim=1)).square().sum(dim=1).mean()


def uniformity(z: Tensor, form: str = "unit") -> Tensor:
    """Log of the mean Gaussian potential over all pairs of rows; lower means more evenly spread.

    Reference:
        Wang & Isola, ICML 2020, section 4.1 (t = 2); Qiu et al. (DuoRec), WSDM 2022, Eq. 7.

    Args:
        z: Representations of one view.
        form: "unit": exp(-2 d^2) of vectors of length 1, -8 to 0 after the log; "as_is": exp(-2 d) of the unnormalised
            vectors, as in DuoRec's code.

    Shape:
        z: [B, D], B >= 2 (memory grows with B^2 / 2); result: scalar.

    Returns:
        The log of the mean over pairs.

    Raises:
        ValueError: The form is unknown, or there are fewer than two rows.
    """
    _check_form(form)
    if z.size(0) < 2:
        raise ValueError(f"uniformity needs at least 2 rows to form a pair; got {z.size(0)}")
    distance = torch.pdist(z) if form == "as_is" else torch.pdist(F.normalize(z, dim=1)).square()  # [B(B-1)/2]
    return torch.logsumexp(-2 * distance, dim=0) - math.log(distance.numel())


def _check_form(form: str) -> None:
    if form not in FORMS:
        raise ValueError(f"form is {form!r}; it must be one of {', '.join(FORMS)}")
