"""Which training rows share a target: the index and the hook behind supervised positives.

Letters: R training rows, N items, B drawn rows.
"""

from __future__ import annotations

import torch
from torch import Tensor

from recbole_cl.batch import Rows
from recbole_cl.data.hooks import TrainingRows
from recbole_cl.ragged import offsets


class GroupIndex:
    """Draws, for each row, another training row of the same group, such as those with one target.

    Rows sorted by group once, in CSR form: O(R) memory, and a draw is a few vectorised operations.

    Reference:
        DuoRec (Qiu et al., WSDM 2022), section 4.3.2: supervised positive sampling.

    Args:
        group: Number of the group of every training row, and of no other: its target, its user. Shape [R], from 0.
    """

    def __init__(self, group: Tensor) -> None:
        self.order = torch.argsort(group, stable=True)  # [R] rows, group after group
        self.place = torch.empty_like(self.order)
        self.place[self.order] = torch.arange(len(group), device=group.device)
        counts = torch.bincount(group)
        self.group_start = offsets(counts)[group]  # [R]
        self.group_size = counts[group]  # [R]

    def draw(self, row: Tensor, generator: torch.Generator) -> Tensor:
        """Draws uniformly among the other rows of the same group; the row itself where there is none.

        Args:
            row: Training rows. Shape [B].
            generator: Source of randomness, on the index's device.

        Returns:
            Training rows of the same groups. Shape [B].
        """
        size, start = self.group_size[row], self.group_start[row]
        uniform = torch.rand(row.shape, generator=generator, device=row.device, dtype=torch.float64)
        others = (size - 1).clamp(min=0)
        step = torch.minimum((uniform * others).long(), (others - 1).clamp(min=0)) + (others > 0).long()  # 1..size-1
        return self.order[start + (self.place[row] - start + step) % size]


class SameTarget:
    """Positives for every anchor: another training row with the same target, the row itself where there is none.

    Args:
        rows: The training rows.
    """

    def __init__(self, rows: TrainingRows) -> None:
        self._rows = rows
        self._index = GroupIndex(rows.target)

    def draw(self, row: Tensor, generator: torch.Generator) -> Rows:
        """Draws a positive for each anchor: see ``data/hooks.py``."""
        return self._rows.take(self._index.draw(row, generator))
