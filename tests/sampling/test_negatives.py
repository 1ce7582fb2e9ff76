"""Negatives: even or popular, outside of what is excluded, and the same from the same generator."""

from __future__ import annotations

import pytest
import torch

from recbole_cl.sampling.negatives import SharedNegatives, uniform_negatives, uniform_negatives_outside

N = 8  # items, padding included


def generator(seed: int = 7) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_uniform_negatives_cover_their_range_and_repeat_with_the_generator() -> None:
    first, second = (uniform_negatives(200, 1, 6, generator(4)) for _ in range(2))
    assert first.dtype == torch.int64 and torch.equal(first, second)
    assert sorted(set(first.tolist())) == [1, 2, 3, 4, 5]
    with pytest.raises(ValueError, match="no item to draw from 1 to 0"):
        uniform_negatives(3, 1, 1)


def test_items_outside_are_drawn_evenly() -> None:
    excluded = torch.tensor([[5, 2, 5, 0, 1], [0, 0, 0, 0, 0], [7, 6, 5, 4, 3]])
    drawn = uniform_negatives_outside(excluded, N, 12_000, generator())
    again = uniform_negatives_outside(excluded, N, 12_000, generator())
    assert drawn.dtype == torch.int64 and torch.equal(drawn, again)
    for row, free in zip(drawn, ({3, 4, 6, 7}, set(range(1, 8)), {1, 2}), strict=True):
        items, counts = row.unique(return_counts=True)
        assert set(items.tolist()) == free
        assert ((counts - 12_000 / len(free)).abs() < 4 * (12_000 / len(free)) ** 0.5).all()


@pytest.mark.parametrize("exponent", [0.0, 0.75])
def test_shared_negatives_follow_their_distribution(exponent: float) -> None:
    counts = torch.tensor([9, 0, 1, 2, 3, 10, 30, 0])  # of the padding item nothing is drawn, whatever its count
    shared = SharedNegatives(N, 40_000, generator(), counts if exponent else None, exponent)
    negatives, log_count = shared.draw()
    expected = (counts[1:] + 1.0) ** exponent
    expected = 40_000 * expected / expected.sum()
    torch.testing.assert_close(log_count, expected.log()[negatives - 1], rtol=1e-6, atol=1e-6)
    drawn = torch.bincount(negatives, minlength=N)
    assert drawn[0] == 0 and ((drawn[1:] - expected).abs() < 4 * expected.sqrt()).all()
