"""Training rows that share a target: the index and the hook behind supervised positives.

Letters: R training rows, N items, B drawn rows.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from recbole_cl.batch import Rows
from recbole_cl.data.hooks import HookFactory, TrainingRows
from recbole_cl.ragged import offsets

_BLOCK = 1 << 14  # number of rows compared at a time


class GroupIndex:
    """Draws, for each row, another training row of the same group, such as the rows with the same target.

    Rows are sorted by group once, in CSR form. This takes O(R) memory, and drawing is a few vectorised operations.

    Reference:
        DuoRec (Qiu et al., WSDM 2022), section 4.3.2: supervised positive sampling.

    Args:
        group: Number of each training row's group, such as its target or its user; every number from 0 occurs.
            Shape [R].
    """

    def __init__(self, group: Tensor) -> None:
        self.order = torch.argsort(group, stable=True)  # [R] rows, group after group
        self.place = torch.empty_like(self.order)
        self.place[self.order] = torch.arange(len(group), device=group.device)
        counts = torch.bincount(group)
        self.group_start = offsets(counts)[group]  # [R]
        self.group_size = counts[group]  # [R]

    def draw(self, row: Tensor, generator: torch.Generator) -> Tensor:
        """Draws uniformly among the other rows of the same group; returns the row itself if there are none.

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
    """A positive for every anchor: another training row with the same target, or the row itself if there is none.

    Args:
        rows: The training rows.
    """

    def __init__(self, rows: TrainingRows) -> None:
        self._rows = rows
        self._index = GroupIndex(rows.target)

    def draw(self, row: Tensor, generator: torch.Generator) -> Rows:
        """Draws a positive for each anchor: see ``data/hooks.py``."""
        return self._rows.take(self._index.draw(row, generator))


class LastSameTarget:
    """A fixed positive for every anchor: the last training row with the same target and other items.

    Rows are in the order of users and time; if the file lists one user after another, this is its order. A row that
    equals all others with its target is its own positive.

    Reference:
        The code of ICSRec (Qin et al., WSDM 2024), which lists the candidates of a row and always takes the last one.

    Args:
        rows: The training rows.
    """

    def __init__(self, rows: TrainingRows) -> None:
        self._rows = rows
        target = rows.target
        row = torch.arange(len(target), device=target.device)
        nothing = torch.full((int(target.max()) + 1,), -1, device=target.device)
        last = nothing.scatter_reduce(0, target, row, "amax")[target]  # [R]
        same = self._equal(row, last)
        # The positive of the last row, and of all rows equal to it, is the last row that differs from it.
        other = nothing.scatter_reduce(0, target, row.where(~same, -1), "amax")[target]
        partner = torch.where(same, other, last)
        self.partner = torch.where(partner < 0, row, partner)  # [R]

    def _equal(self, row: Tensor, other: Tensor) -> Tensor:
        """Whether two rows hold the same items, for many pairs: [R] and [R] -> [R]."""
        blocks = zip(row.split(_BLOCK), other.split(_BLOCK), strict=True)
        windows = ((self._rows.take(a).item_seq, self._rows.take(b).item_seq) for a, b in blocks)
        return torch.cat([(a == b).all(1) for a, b in windows])

    def draw(self, row: Tensor, generator: torch.Generator) -> Rows:
        """The positive of each anchor: see ``data/hooks.py``."""
        return self._rows.take(self.partner[row])


PARTNERS: Mapping[str, HookFactory] = {"last": LastSameTarget, "uniform": SameTarget}  # by the setting ``partner``
