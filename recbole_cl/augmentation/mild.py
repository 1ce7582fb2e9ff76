"""Augmentations of representations. Letters: B rows, D hidden size."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def perturb(z: Tensor, generator: torch.Generator, *, norm: float) -> Tensor:
    """Adds noise of a fixed norm that does not change the sign of any element.

    Reference:
        Zhou et al., Equivariant Contrastive Learning for Sequential Recommendation (ECL-SR), RecSys 2023, Eq. 7-8,
        after Yu et al., Are Graph Augmentations Necessary? (SimGCL), SIGIR 2022.

    Args:
        z: Representations; never modified.
        generator: Source of randomness, on their device.
        norm: L2 norm of the noise, > 0; 0.1 in SimGCL.

    Shape:
        ``z`` and the result [B, D].

    Returns:
        The representations, each with its own noise: its elements times uniform factors in [0, 1), rescaled.
    """
    noise = z * torch.rand(z.shape, generator=generator, device=z.device, dtype=z.dtype)
    return z + norm * F.normalize(noise, dim=1)
