"""What a method measures in every step and reports once an epoch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from recbole_cl.loss.geometry import alignment, uniformity


class EpochMeans(nn.Module):
    """Weighted means of named scalars over an epoch, summed on the device: the host waits once, when they are taken.

    Args:
        names: The scalars.
    """

    sums: Tensor

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self.names = tuple(names)
        # And the weights. In no checkpoint: a resumed run begins with a whole epoch.
        self.register_buffer("sums", torch.zeros(len(self.names) + 1), persistent=False)

    def add(self, weight: int, **values: Tensor) -> None:
        """Adds one value of each scalar.

        Args:
            weight: What they weigh in the means, such as the number of rows that they are the means of.
            **values: The scalars.
        """
        one = torch.ones_like(self.sums[0])
        self.sums += weight * torch.stack([*(values[name].detach().to(one.dtype) for name in self.names), one])

    def take(self) -> dict[str, float]:
        """Returns the means and starts anew; nothing if nothing was added."""
        *sums, weight = self.sums.tolist()
        self.sums.zero_()
        return {name: value / weight for name, value in zip(self.names, sums, strict=True)} if weight else {}


class ViewGeometry(EpochMeans):
    """Mean alignment and uniformity of an epoch's views, batches weighted by their rows: see ``loss/geometry.py``.

    Uniformity is the first view's; DuoRec's code takes it of the recommendation pass, which for CL4SRec is no view.
    """

    def __init__(self) -> None:
        super().__init__(("alignment", "uniformity"))

    @torch.no_grad()
    def look_at(self, z_a: Tensor, z_b: Tensor) -> None:
        """Adds a pair of views, [B, D] each; a batch of one row has no uniformity and is left out."""
        if len(z_a) > 1:
            z_a, z_b = z_a.to(self.sums.dtype), z_b.to(self.sums.dtype)  # no distances in bfloat16
            self.add(len(z_a), alignment=alignment(z_a, z_b), uniformity=uniformity(z_a))
