"""A network that learns to augment representations. Letters: B rows, D hidden size."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recbole_cl.errors import UsageError


class Augmenter(nn.Module):
    """D -> D / 2 -> D / 4 -> D, a GELU after the first two, then a vector of length one.

    Reference:
        The augmenters of Qin et al. (MCLRec), SIGIR 2023, as in the authors' code.

    Args:
        hidden_size: D, at least 4.
        generator: Source of the initial weights, which are uniform, as torch's linear layers begin.

    Raises:
        UsageError: If D is below 4.
    """

    def __init__(self, hidden_size: int, generator: torch.Generator) -> None:
        super().__init__()
        if hidden_size < 4:
            raise UsageError(f"hidden_size = {hidden_size}: learnt augmenters need 4 or more")
        widths = (hidden_size, hidden_size // 2, hidden_size // 4, hidden_size)
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(widths, widths[1:], strict=False))
        for layer, fan_in in zip(self.layers, widths, strict=False):
            bound = 1 / math.sqrt(fan_in)
            for parameter in layer.parameters():
                parameter.data.uniform_(-bound, bound, generator=generator)

    def forward(self, hidden: Tensor) -> Tensor:
        """Augments representations, [B, D] -> [B, D]."""
        first, second, third = self.layers
        return F.normalize(third(F.gelu(second(F.gelu(first(hidden))))), dim=1)
