"""Same-target draws against a brute-force search, and their distribution."""

from __future__ import annotations

import torch
from torch import Tensor

from recbole_cl.batch import Rows
from recbole_cl.data.same_target import GroupIndex, LastSameTarget, SameTarget
from recbole_cl.data.training_rows import PaddedRows
from tests.model.build import from_left_padded
from tests.oracles.load import oracle

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


def test_the_fixed_positives_are_the_authors() -> None:
    """ICSRec's rows and partners, out of users' sequences without their last two items."""
    h2 = oracle("h2_icsrec_segmentation")
    width = int(h2["max_len"])
    users = [[item for item in user.tolist() if item >= 0] for user in h2["users"]]
    lines = [(user[max(0, end - width) : end], user[end]) for user in users for end in range(1, len(user) - 2)]
    item_seq = torch.tensor([items + [0] * (width - len(items)) for items, _ in lines])
    seq_len, target = torch.tensor([len(items) for items, _ in lines]), torch.tensor([it for _, it in lines])
    assert torch.equal(target, h2["target"])
    rows = PaddedRows(item_seq, seq_len, target, h2["row_user"])
    own, partner = (from_left_padded(h2[f"subsequence_{number}"]) for number in (1, 2))
    assert torch.equal(item_seq, own[0])
    drawn = LastSameTarget(rows).draw(torch.arange(len(target)), torch.Generator())
    assert torch.equal(drawn.item_seq, partner[0]) and torch.equal(drawn.seq_len, partner[1])


def test_the_fixed_positive_is_the_last_row_with_other_items() -> None:
    generator = torch.Generator().manual_seed(0)
    target = torch.randint(1, 6, (60,), generator=generator)
    item_seq = torch.randint(1, 3, (60, 2), generator=generator)
    rows = PaddedRows(item_seq, torch.full((60,), 2), target, target)
    for row, partner in enumerate(LastSameTarget(rows).partner.tolist()):
        alike = [j for j in range(60) if target[j] == target[row] and not torch.equal(item_seq[j], item_seq[row])]
        assert partner == (alike[-1] if alike else row)
    lonely = PaddedRows(torch.tensor([[1], [1], [2]]), torch.ones(3), torch.tensor([4, 4, 5]), torch.ones(3))
    assert LastSameTarget(lonely).partner.tolist() == [0, 1, 2]
