"""Packing: every real item once, outputs in the caller's order, whatever the grouping."""

from __future__ import annotations

import pytest
import torch

from recbole_cl.batch import Rows, Wanted
from recbole_cl.encoder.packing import pack


def rows(lengths: list[int], width: int, wanted: Wanted = "last", first_id: int = 1) -> Rows:
    """Rows whose items are numbered on, so that each item id tells its place."""
    seq_len = torch.tensor(lengths)
    item_seq = torch.zeros(len(lengths), width, dtype=torch.long)
    for i, length in enumerate(lengths):
        item_seq[i, :length] = torch.arange(first_id, first_id + length)
        first_id += length
    return Rows(item_seq, seq_len, wanted)


@pytest.mark.parametrize("grouped", [True, False])
def test_outputs_return_in_the_callers_order(grouped: bool) -> None:
    last = rows([3, 1, 9, 3, 2, 9, 1, 1], 10)
    every = rows([2, 7, 1, 5], 10, wanted="items", first_id=1000)
    packing = pack([last, every, last], grouped)
    flat = torch.cat([r.item_seq.flatten() for r in (last, every, last)])
    items = flat[packing.token_index]
    wanted = items if packing.wanted is None else items[packing.wanted]
    first, middle, third = (wanted[index] for index in packing.outputs)
    expected = last.item_seq.gather(1, last.seq_len.unsqueeze(1) - 1).squeeze(1)
    assert torch.equal(first, expected) and torch.equal(third, expected)
    assert torch.equal(middle, every.item_seq[every.item_seq > 0])


def test_grouping_leaves_no_padding_and_positions_count_from_the_oldest() -> None:
    both = rows([3, 1, 9, 3, 2, 9], 10)
    packing = pack([both], True)
    items = both.item_seq.flatten()[packing.token_index]
    assert sorted(items.tolist()) == list(range(1, 28))
    assert torch.equal(packing.position, packing.token_index % 10)


def test_groups_tile_the_packed_items() -> None:
    generator = torch.Generator().manual_seed(0)
    lengths = (torch.rand(300, generator=generator) ** 4 * 50).long().add(1).tolist()
    packing = pack([rows(lengths, 50)], True)
    first = 0
    for group in packing.groups:
        assert group.first == first and group.n_tokens == int(group.seq_len.sum())
        assert int(group.seq_len.max()) == group.width
        assert (group.slots is None) == (int(group.seq_len.min()) == group.width) == (not group.padded)
        first += group.n_tokens
    assert first == sum(lengths)
    padded = sum(group.n_rows * group.width for group in packing.groups)
    assert padded < 1.5 * sum(lengths)


@pytest.mark.parametrize("grouped", [True, False])
def test_padded_rows_stand_at_the_right_end_of_all_columns(grouped: bool) -> None:
    last, every = rows([3, 1], 4), rows([2, 4], 4, wanted="items", first_id=10)
    padded = rows([1, 4, 3], 4, first_id=20)._replace(wanted="columns")
    segments = [padded, last, every]
    packing = pack(segments, grouped, last_position=3)
    items = torch.cat([r.item_seq.flatten() for r in segments])[packing.token_index]
    wanted = torch.arange(len(items)) if packing.wanted is None else packing.wanted
    expected = [0, 0, 0, 20, 21, 22, 23, 24, 0, 25, 26, 27]
    assert items[wanted][packing.outputs[0]].tolist() == expected
    assert packing.position[wanted][packing.outputs[0]].tolist() == [0, 1, 2, 3] * 3
    assert items[wanted][packing.outputs[1]].tolist() == [3, 4]
    assert packing.position[wanted][packing.outputs[1]].tolist() == [3, 3]  # the newest item, however long the row
    assert packing.position[wanted][packing.outputs[2]].tolist() == [2, 3, 0, 1, 2, 3]


def test_columns_must_agree_without_grouping() -> None:
    with pytest.raises(ValueError, match=r"\[5, 3\] columns"):
        pack([rows([2], 5), rows([2], 3)], False)


def test_nothing_to_pack_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one segment"):
        pack([], True)
