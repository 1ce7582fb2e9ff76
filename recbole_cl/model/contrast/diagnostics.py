"""Statistics that a method measures in every step and reports once per epoch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from recbole_cl.loss.false_negatives import negative_pairs
from recbole_cl.loss.geometry import alignment, uniformity
from recbole_cl.loss.info_nce import similarity_matrix

_ROWS = 64  # rows of a batch that are measured, so that the work does not grow with the batch
_SHARES = tuple(i / 40 for i in range(41))  # points of the curve of sorted similarities


class EpochMeans(nn.Module):
    """Weighted means of named scalars over an epoch, summed on the device; the host waits only when they are read.

    Args:
        names: The scalars.
    """

    sums: Tensor

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self.names = tuple(names)
        # The weights, too. Not in checkpoints: a resumed run begins with a whole epoch.
        self.register_buffer("sums", torch.zeros(len(self.names) + 1), persistent=False)

    def add(self, weight: int, **values: Tensor) -> None:
        """Adds one value of each scalar.

        Args:
            weight: Their weight in the means, such as the number of rows that they are averaged over.
            **values: The scalars.
        """
        one = torch.ones_like(self.sums[0])
        self.sums += weight * torch.stack([*(values[name].detach().to(one.dtype) for name in self.names), one])

    def take(self) -> dict[str, float]:
        """Returns the means and resets them; empty if nothing was added."""
        *sums, weight = self.sums.tolist()
        self.sums.zero_()
        return {name: value / weight for name, value in zip(self.names, sums, strict=True)} if weight else {}


class ViewGeometry(EpochMeans):
    """Mean alignment and uniformity of an epoch's views; batches are weighted by their rows: see ``loss/geometry.py``.

    Uniformity is measured on the first view. DuoRec's code measures it on the recommendation pass, which is not a view
    in CL4SRec.
    """

    def __init__(self) -> None:
        super().__init__(("alignment", "uniformity"))

    @torch.no_grad()
    def look_at(self, z_a: Tensor, z_b: Tensor) -> None:
        """Adds a pair of views, [B, D] each; skips a batch of one row, which has no uniformity."""
        if len(z_a) > 1:
            z_a, z_b = z_a.to(self.sums.dtype), z_b.to(self.sums.dtype)  # bfloat16 is too inexact for distances
            self.add(len(z_a), alignment=alignment(z_a, z_b), uniformity=uniformity(z_a))


class PairDiagnostics(EpochMeans):
    """Statistics for the papers' figures of the compared pairs, measured in one out of ``every`` comparisons.

    ``negatives/<share>`` is the cosine similarity that this share of the negatives lies below, as a mean over the
    measured batches (AdaptiveRec's Figure 2). The ``as_is`` alignment and uniformity are of vectors that are not
    normalised, as DuoRec's code computes them for its Figure 5. At most 64 rows of a batch are measured, evenly spread.

    Args:
        every: Number of comparisons per measured one, at least 1; the first one of each epoch is always measured.
    """

    shares: Tensor

    def __init__(self, every: int) -> None:
        self._curve = tuple(f"negatives/{share:.3f}" for share in _SHARES)
        super().__init__((*self._curve, "alignment_as_is", "uniformity_as_is"))
        self.register_buffer("shares", torch.tensor(_SHARES), persistent=False)
        self.every, self._seen = every, 0

    @torch.no_grad()
    def look_at(self, z_a: Tensor, z_b: Tensor) -> None:
        """Measures a pair of views, [B, D] each, or skips it; a batch of one row has no negatives and is skipped.

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
