"""Batches of both training forms against loops over their rows."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from recbole_cl.batch import Batch, Prefixes, Rows
from recbole_cl.errors import UsageError

ITEMS = torch.tensor([[3, 5, 8, 0], [1, 0, 0, 0], [7, 0, 9, 4]])  # the last row's second item is a hole
LENGTHS = torch.tensor([3, 1, 4])
TARGET = torch.tensor([6, 2, 5])
NEXT = torch.tensor([[5, 8, 6, 0], [2, 0, 0, 0], [0, 9, 4, 5]])
PLACES = torch.tensor([0, 1, 2, 4, 8, 9, 10, 11])
ANCHORS = Prefixes(torch.tensor([2, 0, 0, 0, 2]), torch.tensor([2, 3, 1, 1, 4]))  # the second row has none


def sequence(**changes: Tensor | Prefixes | None) -> Batch:
    given = {"next_items": NEXT, "anchor_prefixes": ANCHORS, "target_place": PLACES}
    return Batch(ITEMS, LENGTHS, TARGET, **(given | changes))  # type: ignore[arg-type]


def test_places_of_rows_are_counted_unless_they_are_known() -> None:
    assert torch.equal(Rows(ITEMS, LENGTHS).item_places(), PLACES)
    known = torch.tensor([0])
    assert Rows(ITEMS, LENGTHS, places=known).item_places() is known


def test_of_the_prefix_form_the_last_output_is_wanted() -> None:
    batch = Batch(ITEMS, LENGTHS, TARGET)
    assert batch.supervised == Rows(ITEMS, LENGTHS, "last", places=None)
    assert batch.supervised_target is TARGET and batch.anchor_target is TARGET
    anchors, hidden = batch.anchors, torch.randn(3, 2)
    assert anchors.item_seq is ITEMS and anchors.seq_len is LENGTHS and anchors.wanted == "last"
    assert batch.at_anchors(hidden) is hidden


@pytest.mark.parametrize("known", [True, False])
def test_of_the_sequence_form_all_items_have_a_target(known: bool) -> None:
    batch = sequence() if known else sequence(target_place=None)
    rows = batch.supervised
    assert rows.item_seq is ITEMS and rows.seq_len is LENGTHS and rows.wanted == "items"
    assert torch.equal(rows.item_places(), PLACES)
    expected = [target for row, n in zip(NEXT.tolist(), LENGTHS.tolist(), strict=True) for target in row[:n]]
    assert batch.supervised_target.tolist() == expected
    values = torch.arange(12).view(3, 4)
    assert batch.at_targets(values).tolist() == PLACES.tolist()


def test_anchors_are_prefixes() -> None:
    batch = sequence()
    prefixes = list(zip(ANCHORS.row.tolist(), ANCHORS.length.tolist(), strict=True))
    anchors = batch.anchors
    assert anchors.seq_len.tolist() == [n for _, n in prefixes] and anchors.wanted == "last"
    padded = [ITEMS[row, :n].tolist() + [0] * (4 - n) for row, n in prefixes]
    assert anchors.item_seq.tolist() == padded
    assert batch.anchor_target.tolist() == [int(NEXT[row, n - 1]) for row, n in prefixes]
    hidden = torch.randn(8, 2)
    of_row = hidden.split(LENGTHS.tolist())
    assert torch.equal(batch.at_anchors(hidden), torch.stack([of_row[row][n - 1] for row, n in prefixes]))


def test_without_anchors_the_rows_themselves_are_compared() -> None:
    batch = sequence(anchor_prefixes=None)
    assert batch.anchors.item_seq is ITEMS and batch.anchor_target is TARGET


def test_what_hooks_drew_is_found_by_their_names() -> None:
    drawn, weight = Rows(ITEMS.flip(0), LENGTHS.flip(0)), torch.ones(3)
    batch = Batch(ITEMS, LENGTHS, TARGET, extra={"same_target": drawn, "weight": weight})
    assert batch.rows("same_target") is drawn and batch.extra["weight"] is weight
    with pytest.raises(UsageError, match="no hook of that name drew rows; name one in batch_hooks"):
        batch.rows("weight")
    assert not Batch(ITEMS, LENGTHS, TARGET).extra
