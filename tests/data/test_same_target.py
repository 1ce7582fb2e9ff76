"""Same-target draws against a brute-force search, and their distribution."""

from __future__ import annotations

import torch
from torch import Tensor

from recbole_cl.batch import Rows
from recbole_cl.data.same_target import GroupIndex, SameTarget

TARGET = torch.tensor([3, 7, 3, 5, 9, 3, 7, 1, 2, 2, 2, 2, 8, 4, 4, 6, 3, 7, 9, 9, 11, 12, 12, 13, 2, 5, 5, 14, 15, 1])


def test_draws_are_exactly_the_other_rows_with_the_same_target() -> None:
    index = GroupIndex(TARGET)
    generator = torch.Generator().manual_seed(0)
    row = torch.arange(len(TARGET)).repeat_interleave(400)
    drawn = index.draw(row, generator)
    for i in range(len(TARGET)):
        others = {j for j in range(len(TARGET)) if TARGET[j] == TARGET[i] and j != i} or {i}
        assert set(drawn[row == i].tolist()) == others


def test_draws_are_uniform() -> None:
    index = GroupIndex(TARGET)
    n = 60_000
    drawn = index.draw(torch.full((n,), 8), torch.Generator().manual_seed(1))
    counts = torch.bincount(drawn, minlength=len(TARGET))[[9, 10, 11, 24]]
    assert int(counts.sum()) == n
    assert float((counts - n / 4).abs().max()) < 5 * (n * 0.25 * 0.75) ** 0.5


def test_same_generator_state_same_draws() -> None:
    index, row = GroupIndex(TARGET), torch.arange(len(TARGET))
    a, b = (index.draw(row, torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(a, b)


def test_positives_are_the_drawn_rows() -> None:
    rows = SomeRows()
    drawn = SameTarget(rows).draw(torch.arange(len(TARGET)), torch.Generator().manual_seed(5))
    numbers = GroupIndex(TARGET).draw(torch.arange(len(TARGET)), torch.Generator().manual_seed(5))
    expected = rows.take(numbers)
    assert torch.equal(drawn.item_seq, expected.item_seq) and torch.equal(drawn.seq_len, expected.seq_len)


class SomeRows:
    """Training rows that hold their own number."""

    target, user = TARGET, torch.arange(len(TARGET))

    def take(self, row: Tensor) -> Rows:
        return Rows(row.unsqueeze(1) + 1, torch.ones_like(row))
