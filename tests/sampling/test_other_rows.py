"""Items out of the other rows of a batch."""

from __future__ import annotations

import torch
from torch import Tensor

from recbole_cl.sampling.other_rows import items_of_other_rows

ITEMS = torch.tensor([[3, 5, 0, 0], [1, 0, 0, 0], [5, 2, 9, 2]])
LENGTHS = torch.tensor([2, 1, 4])


def drawn(item_seq: Tensor, seq_len: Tensor, n: int, seed: int = 7) -> Tensor:
    return items_of_other_rows(item_seq, seq_len, n, torch.Generator().manual_seed(seed))


def test_items_are_drawn_as_often_as_they_stand_in_other_rows() -> None:
    n = 12_000
    items = drawn(ITEMS, LENGTHS, n)
    assert items.shape == (3, n) and torch.equal(items, drawn(ITEMS, LENGTHS, n))
    rows = [row[:length] for row, length in zip(ITEMS.tolist(), LENGTHS.tolist(), strict=True)]
    for own, counts in enumerate(torch.bincount(row, minlength=10) for row in items):
        others = torch.tensor([item for k, row in enumerate(rows) if k != own for item in row])
        expected = n * torch.bincount(others, minlength=10) / len(others)
        assert ((counts - expected).abs() <= 4 * expected.sqrt()).all()


def test_a_row_that_is_alone_gets_nothing() -> None:
    assert drawn(ITEMS[:1], LENGTHS[:1], 3).tolist() == [[0, 0, 0]]
