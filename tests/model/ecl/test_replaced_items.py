"""Where altered rows differ from their originals, and what a discriminator is given to find it out."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from recbole_cl.batch import Rows
from recbole_cl.encoder.registry import EncoderSettings
from recbole_cl.encoder.transformer import TransformerEncoder
from recbole_cl.model.ecl.alterations import ALTERATIONS
from recbole_cl.model.ecl.discriminator import CONDITIONS, ConditionalDiscriminator
from recbole_cl.model.ecl.replaced_items import compare, judge
from tests.model.ecl.cases import N_ITEMS, WIDTH, altered, as_lists, rows

EVERY_WAY = pytest.mark.parametrize("how", ALTERATIONS)
SIZE = 8


@EVERY_WAY
@pytest.mark.parametrize("right_aligned", [True, False])
def test_comparison_is_position_by_position(right_aligned: bool, how: str) -> None:
    original, new = rows(), altered(how)
    place, counterpart, replaced = compare(original, new, right_aligned)
    flat, total = new.item_seq.flatten(), int(original.seq_len.sum())
    expected: list[tuple[int, int, bool]] = []
    start = 0
    for old, own in zip(as_lists(original), as_lists(new), strict=True):
        for i, item in enumerate(own):
            j = i + len(old) - len(own) if right_aligned else i
            there = 0 <= j < len(old)
            expected.append((item, start + j if there else total, not there or old[j] != item))
        start += len(old)
    assert list(zip(flat[place].tolist(), counterpart.tolist(), replaced.tolist(), strict=True)) == expected
    assert replaced.any() and not replaced.all()


def test_an_insertion_shifts_one_side() -> None:
    original, new = Rows(torch.tensor([[1, 2, 3, 0]]), torch.tensor([3])), torch.tensor([[1, 9, 2, 3]])
    view = Rows(new, torch.tensor([4]))
    assert compare(original, view, True).replaced.tolist() == [True, True, False, False]  # the 1 stands elsewhere now
    assert compare(original, view, False).replaced.tolist() == [False, True, True, True]


def test_all_items_of_the_comparison_are_of_type_index() -> None:
    parts: tuple[Tensor, ...] = compare(rows(), altered("delete"), True)
    assert [part.dtype for part in parts] == [torch.int64, torch.int64, torch.bool]


@pytest.mark.parametrize("last_position", [None, WIDTH - 1])
@pytest.mark.parametrize("how", ["insert", "crop"])
@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_judgement_is_given_the_originals_states(condition: str, how: str, last_position: int | None) -> None:
    """The one at the same place or nothing, or the last one of the row."""
    torch.manual_seed(0)
    settings = EncoderSettings(1, 2, SIZE, 16, 0.0, 0.0, 1e-12, WIDTH + 1)
    encoder = TransformerEncoder(settings).double()
    table = nn.Embedding(N_ITEMS, SIZE).double()
    discriminator = ConditionalDiscriminator(condition, SIZE, False).double()
    original, new = rows(), altered(how)
    states = torch.randn(int(original.seq_len.sum()), SIZE, dtype=torch.float64)
    at_place, at_last, replaced = [], [], []
    for old, own, hidden in zip(
        as_lists(original), as_lists(new), states.split(original.seq_len.tolist()), strict=True
    ):
        shift = 0 if last_position is None else len(old) - len(own)
        at_last.append(hidden[-1])
        for i, item in enumerate(own, start=shift):
            there = 0 <= i < len(old)
            at_place.append(hidden[i] if there else torch.zeros(SIZE).double())
            replaced.append(not there or old[i] != item)
    given = torch.stack(at_place if condition == "add_all" else at_last)
    items = table(torch.tensor([item for own in as_lists(new) for item in own]))
    judged = judge(discriminator, encoder, table, states, original, new, True, last_position)
    expected = discriminator(encoder, items, given, Rows(new.item_seq, new.seq_len), True, last_position)
    torch.testing.assert_close(judged.logits, expected)
    assert judged.replaced.tolist() == replaced
