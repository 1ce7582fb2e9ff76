"""What a method measures in every step and reports once an epoch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from recbole_cl.loss.false_negatives import negative_pairs
from recbole_cl.loss.geometry import alignment, uniformity
from recbole_cl.loss.info_nce import similarity_matrix

_ROWS = 64  # of a batch that are looked at, so that the work does not grow with it
_SHARES = tuple(i / 40 for i in range(41))  # points of the curve of sorted similarities


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
        """Returns the means and resets them; nothing if nothing was added."""
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


class PairDiagnostics(EpochMeans):
    """What the papers' figures show of the pairs that are compared, measured in one of so many comparisons.

    Named ``negatives/<share>``: the cosine similarity that this share of the negatives lies below, means over the
    batches looked at: AdaptiveRec's Figure 2. Alignment and uniformity ``as_is``: of vectors as they are, as DuoRec's
    code computes them for its Figure 5. At most 64 rows of a batch are looked at, evenly spread.

    Args:
        every: How many comparisons to one that is measured, at least 1; the first of each epoch always is.
    """

    shares: Tensor

    def __init__(self, every: int) -> None:
        self._curve = tuple(f"negatives/{share:.3f}" for share in _SHARES)
        super().__init__((*self._curve, "alignment_as_is", "uniformity_as_is"))
        self.register_buffer("shares", torch.tensor(_SHARES), persistent=False)
        self.every, self._seen = every, 0

    @torch.no_grad()
    def look_at(self, z_a: Tensor, z_b: Tensor) -> None:
        """Measures a pair of views, [B, D] each, or lets it pass; a batch of one row has no negatives and is left out.

        Args:
            z_a: First view.
            z_b: Second view.
        """
        if len(z_a) < 2:
            return
        self._seen += 1
        if (self._seen - 1) % self.every:
            return
        count = min(len(z_a), _ROWS)
        rows = torch.arange(count, device=z_a.device) * len(z_a) // count
        z_a, z_b = (z.index_select(0, rows).to(self.sums.dtype) for z in (z_a, z_b))
        similarity = similarity_matrix(z_a, z_b, 1.0, "cosine")
        values = negative_pairs(similarity).quantile(self.shares.to(similarity.dtype)).unbind()
        as_is = {"alignment_as_is": alignment(z_a, z_b, "as_is"), "uniformity_as_is": uniformity(z_a, "as_is")}
        self.add(count, **as_is, **dict(zip(self._curve, values, strict=True)))

    def take(self) -> dict[str, float]:
        """Returns the means and resets them."""
        self._seen = 0
        return super().take()
