"""What is chosen, and how rows are altered."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import pytest
import torch

from recbole_cl.batch import Rows
from recbole_cl.model.ecl.alterations import ALTERATIONS, alter, choose_altered
from tests.model.ecl.cases import N_ITEMS, WIDTH, altered, as_lists, rows

STRATEGIES = pytest.mark.parametrize("strategy", ["sample", "prob"])
EVERY_WAY = pytest.mark.parametrize("how", ALTERATIONS)


@pytest.mark.parametrize("ratio", [0.2, 0.6, 1.0])
@STRATEGIES
def test_the_first_item_and_padding_are_never_chosen(strategy: Any, ratio: float) -> None:
    view = rows()
    chosen = choose_altered(
        view.item_seq, view.seq_len, torch.Generator().manual_seed(0), ratio=ratio, strategy=strategy
    )
    assert not chosen[:, 0].any() and not chosen[view.item_seq == 0].any()
    assert chosen.any(1).tolist() == (view.seq_len > 1).tolist()


def test_prob_may_choose_the_first_item_of_rows_that_are_not_full() -> None:
    view = rows()
    drawn = torch.Generator().manual_seed(0)
    chosen = choose_altered(*view[:2], drawn, ratio=0.4, strategy="prob", spare_first=False)
    assert chosen[view.seq_len == 1, 0].all() and chosen.any(1).all()
    assert chosen[view.seq_len < WIDTH, 0].any() and not chosen[view.seq_len == WIDTH, 0].any()
    assert not chosen[view.item_seq == 0].any()


@pytest.mark.parametrize("ratio", [0.2, 0.4, 0.6, 0.7])
def test_sample_chooses_the_authors_number(ratio: float) -> None:
    view = rows()
    chosen = choose_altered(
        view.item_seq, view.seq_len, torch.Generator().manual_seed(0), ratio=ratio, strategy="sample"
    )
    assert chosen.sum(1).tolist() == [min(int(ratio * n + 1), n - 1) for n in view.seq_len.tolist()]


def test_sample_chooses_every_set_alike() -> None:
    item_seq = torch.tensor([[5, 6, 7, 8, 0]]).expand(6000, 5)
    seq_len = torch.full((6000,), 4)
    chosen = choose_altered(item_seq, seq_len, torch.Generator().manual_seed(0), ratio=0.3, strategy="sample")
    counts = Counter(map(tuple, chosen.nonzero()[:, 1].view(-1, 2).tolist()))
    assert set(counts) == {(1, 2), (1, 3), (2, 3)} and all(abs(count - 2000) < 200 for count in counts.values())


def test_prob_chooses_each_item_with_the_ratio_up_to_the_authors_number() -> None:
    n, ratio = 20_000, 0.2
    item_seq = torch.ones(n, WIDTH, dtype=torch.int64)
    seq_len = torch.full((n,), WIDTH)
    chosen = choose_altered(item_seq, seq_len, torch.Generator().manual_seed(0), ratio=ratio, strategy="prob")
    most = math.ceil(ratio * WIDTH + 1)  # 3
    count = chosen.sum(1)
    assert int(count.max()) == most and int(count.min()) == 1
    share = chosen.double().mean(0)
    assert share[1:4].tolist() == pytest.approx([ratio] * 3, abs=0.012)  # before the number can have been reached
    assert share[WIDTH - 2] < ratio - 0.02  # and after
    nothing_else = (count == 1) & chosen[:, -1]
    only_last = ratio * (1 - ratio) ** 8 + (1 - ratio) ** 9  # drawn, or chosen for want of another
    assert nothing_else.double().mean().item() == pytest.approx(only_last, abs=0.012)


@STRATEGIES
def test_a_row_of_one_item_stays(strategy: Any) -> None:
    for how in ALTERATIONS:
        generator = torch.Generator().manual_seed(0)
        one = torch.tensor([[7, 0, 0]]), torch.tensor([1])
        view = alter(*one, generator, how=how, ratio=0.9, strategy=strategy, n_items=N_ITEMS)
        assert view.item_seq.tolist() == [[7, 0, 0]] and view.seq_len.tolist() == [1]


@EVERY_WAY
@STRATEGIES
def test_altered_rows_are_rows(how: str, strategy: Any) -> None:
    view = rows()
    before = view.item_seq.clone()
    new = altered(how, strategy=strategy)
    assert torch.equal(view.item_seq, before) and new.item_seq.shape == view.item_seq.shape
    real = torch.arange(WIDTH) < new.seq_len[:, None]
    assert ((new.item_seq > 0) == real).all() and int(new.item_seq.max()) < N_ITEMS and int(new.seq_len.min()) >= 1
    again = altered(how, strategy=strategy)
    assert torch.equal(new.item_seq, again.item_seq)
    assert not torch.equal(new.item_seq, altered(how, strategy=strategy, seed=2).item_seq)


def test_substitution_brings_in_other_items() -> None:
    for old, new in zip(as_lists(rows()), as_lists(altered("substitution")), strict=True):
        changed = [b for a, b in zip(old, new, strict=True) if a != b]
        assert len(changed) == min(int(0.4 * len(old) + 1), len(old) - 1) and not set(changed) & set(old)


def test_insert_brings_in_other_items_and_keeps_the_newest() -> None:
    for old, new in zip(as_lists(rows()), as_lists(altered("insert")), strict=True):
        brought = [item for item in new if item not in old]
        kept = [item for item in new if item in old]
        count = min(int(0.4 * len(old) + 1), len(old) - 1)
        assert len(new) == min(len(old) + count, WIDTH) and len(brought) <= count
        assert kept == old[len(old) - len(kept) :] and (not kept or new[-1] == old[-1])


def test_insert_may_bring_in_what_other_rows_hold() -> None:
    view = Rows(*rows(40)[:2])
    view = view._replace(item_seq=view.item_seq + 100 * torch.arange(40).unsqueeze(1) * (view.item_seq > 0))
    held = {item: number for number, row in enumerate(as_lists(view)) for item in row}  # each by one row alone
    generator = torch.Generator().manual_seed(1)
    share: dict[str, Any] = {"ratio": 0.4, "strategy": "sample", "n_items": 4000, "insert_from": "other_rows"}
    new = alter(view.item_seq, view.seq_len, generator, how="insert", **share)
    for number, (old, row) in enumerate(zip(as_lists(view), as_lists(new), strict=True)):
        brought = [item for item in row if item not in old]
        count = min(int(0.4 * len(old) + 1), len(old) - 1)
        assert len(row) == min(len(old) + count, WIDTH) and len(brought) <= count
        assert all(held[item] != number for item in brought)
        assert [item for item in row if item in old] == old[len(old) - len(row) + len(brought) :]
    alone = alter(view.item_seq[9:10], view.seq_len[9:10], generator, how="insert", **share)
    assert torch.equal(alone.item_seq, view.item_seq[9:10]) and alone.seq_len.tolist() == [10]


def test_delete_takes_out_and_keeps_the_first() -> None:
    for old, new in zip(as_lists(rows()), as_lists(altered("delete")), strict=True):
        assert len(new) == len(old) - min(int(0.4 * len(old) + 1), len(old) - 1)
        assert new[0] == old[0] and new == [item for item in old if item in new]


def test_crop_keeps_a_part() -> None:
    for old, new in zip(as_lists(rows()), as_lists(altered("crop", ratio=0.2)), strict=True):
        begin = old.index(new[0])
        assert len(new) == max(1, int(0.8 * len(old))) and new == old[begin : begin + len(new)]


def test_reorder_shuffles_a_part() -> None:
    for old, new in zip(as_lists(rows()), as_lists(altered("reorder")), strict=True):
        moved = [i for i, (a, b) in enumerate(zip(old, new, strict=True)) if a != b]
        assert sorted(old) == sorted(new) and (not moved or moved[-1] - moved[0] < math.ceil(0.4 * len(old)))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"how": "mask"}, "how 'mask' is unknown: use one of substitution"),
        ({"how": "delete", "strategy": "count"}, "strategy 'count' is unknown: use 'sample' or 'prob'"),
        ({"how": "insert", "ratio": 1.5}, r"ratio 1.5 is outside \[0, 1\]"),
    ],
)
def test_bad_arguments_are_refused(changes: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        altered(**changes)
