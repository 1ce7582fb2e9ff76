"""Negatives: items that targets are contrasted with.

Letters: T targets, N items (padding row 0 included), E excluded items and K draws of a row, M shared negatives.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def uniform_negatives(
    n: int, low: int, high: int, generator: torch.Generator | None = None, device: torch.device | str = "cpu"
) -> Tensor:
    """Draw items uniformly, with replacement, from low to high - 1.

    Args:
        n: Number of draws.
        low: Smallest item; 1 excludes the padding row.
        high: One past the largest item.
        generator: Source of randomness, on `device`.
        device: Device of the result.

    Shape:
        result: [n], int64.

    Returns:
        The items; each has log probability -log(high - low), to which `sampled_softmax` needs log n added.

    Raises:
        ValueError: If the range is empty.
    """
    if low >= high:
        raise ValueError(f"no item to draw from {low} to {high - 1}; high must be greater than low")
    return torch.randint(low, high, (n,), generator=generator, device=device)


def uniform_negatives_outside(
    excluded: Tensor, n_items: int, n_per_row: int, generator: torch.Generator | None = None
) -> Tensor:
    """Draw items uniformly, with replacement, from those that are not excluded for a row.

    A draw is an index among the row's allowed items; counting the excluded items below it gives the item. So no draw
    ever has to be repeated because of an excluded item.

    Args:
        excluded: Items that must not be drawn for a row, in any order, with repetitions and zeros as padding; each row
            must leave at least one item.
        n_items: N; items 1 to N - 1 are drawn.
        n_per_row: K, number of draws for each row.
        generator: Source of randomness, on the device of `excluded`.

    Shape:
        excluded: [T, E]; result: [T, K], int64.

    Returns:
        The items, on the device of `excluded`.
    """
    place = torch.arange(excluded.shape[1], device=excluded.device)
    members = excluded.sort(dim=1).values  # [T, E]
    counts = members > 0
    counts[:, 1:] &= members[:, 1:] != members[:, :-1]
    members = members.masked_fill(~counts, 2 * n_items).sort(dim=1).values
    free_below = torch.where(members < n_items, members - 1 - place, n_items)  # allowed items smaller than each member
    n_free = n_items - 1 - counts.sum(dim=1, keepdim=True)
    draws = torch.randint(2**62, (len(excluded), n_per_row), generator=generator, device=excluded.device) % n_free
    return draws + 1 + torch.searchsorted(free_below, draws, right=True)  # [T, K]


class SharedNegatives:
    """Items drawn with replacement, in proportion to a power of their popularity.

    Args:
        n_items: N; items 1 to N - 1 are drawn.
        n_negatives: M, number of draws at a time.
        generator: Source of the draws, on the device of the result.
        counts: How often each item is a target. Shape [N]; None draws uniformly.
        exponent: Exponent of the count, in (0, 1]; 0.75 is word2vec's. One is added to each count, so that items that
            are never a target can be drawn, too.
    """

    def __init__(
        self,
        n_items: int,
        n_negatives: int,
        generator: torch.Generator,
        counts: Tensor | None = None,
        exponent: float = 0.0,
    ) -> None:
        self.n_items, self.n_negatives, self.generator = n_items, n_negatives, generator
        self._cumulative: Tensor | None = None
        if counts is not None:
            # On the host, where sums are computed in one order: all devices use the same numbers.
            weight = (counts[1:].cpu().double() + 1) ** exponent  # [N - 1]
            cumulative = weight.cumsum(0)
            self._cumulative = (cumulative / cumulative[-1]).to(generator.device)
            self._log_q = (weight.log() - cumulative[-1].log()).float().to(generator.device)

    def draw(self) -> tuple[Tensor, Tensor]:
        """Draws M items.

        Returns:
            The items, and the log of the expected count of each of them; both [M].
        """
        size, device = self.n_negatives, self.generator.device
        if self._cumulative is None:
            negatives = uniform_negatives(size, 1, self.n_items, self.generator, device)
            return negatives, torch.full((size,), math.log(size) - math.log(self.n_items - 1), device=negatives.device)
        uniform = torch.rand(size, generator=self.generator, device=device, dtype=torch.float64)
        place = torch.searchsorted(self._cumulative, uniform, right=True)
        return place + 1, self._log_q[place] + math.log(size)
