"""Windows of packed rows."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from recbole_cl.model.ecl.windows import mean_of_last

LENGTHS = torch.tensor([3, 1, 5, 2, 5, 4])
CLOSE: dict[str, Any] = {"rtol": 1e-10, "atol": 1e-10}


def vectors(size: int = 8) -> torch.Tensor:
    n = int(LENGTHS.sum())
    return torch.randn(n, size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("size", [1, 2, 3, 9])
def test_means_of_the_last(size: int) -> None:
    hidden = vectors().requires_grad_()
    end = torch.stack((LENGTHS, (LENGTHS + 1) // 2), dim=1)  # [B, 2]
    expected = []
    for row, ends in zip(hidden.split(LENGTHS.tolist()), end.tolist(), strict=True):
        expected += [row[max(0, last - size) : last].mean(0) for last in ends]
    row = torch.arange(len(LENGTHS)).repeat_interleave(2)
    order = torch.randperm(len(row), generator=torch.Generator().manual_seed(0))[:-3]
    means = mean_of_last(hidden, LENGTHS, row[order], end.flatten()[order], size)
    slow = torch.stack(expected)[order]
    torch.testing.assert_close(means, slow, **CLOSE)
    for a, b in zip(*(torch.autograd.grad(it.sin().sum(), hidden) for it in (means, slow)), strict=True):
        torch.testing.assert_close(a, b, **CLOSE)
