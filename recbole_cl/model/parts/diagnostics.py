"""What a method measures in every step and reports once an epoch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class EpochMeans(nn.Module):
    """Means of named scalars over an epoch, summed on the device: the host waits for it once, when they are taken.

    Args:
        names: The scalars.
    """

    sums: Tensor

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self.names = tuple(names)
        self.register_buffer("sums", torch.zeros(len(self.names) + 1))  # and how often they were added

    def add(self, **values: Tensor) -> None:
        """Adds one value of each scalar."""
        one = torch.ones_like(self.sums[0])
        self.sums += torch.stack([*(values[name].detach().to(one.dtype) for name in self.names), one])

    def take(self) -> dict[str, float]:
        """Returns the means and starts anew; nothing if nothing was added."""
        *sums, count = self.sums.tolist()
        self.sums.zero_()
        return {name: value / count for name, value in zip(self.names, sums, strict=True)} if count else {}
