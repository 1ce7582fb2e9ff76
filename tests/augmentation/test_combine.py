"""The draw of two operators per row."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from recbole_cl.augmentation import Operator, draw_two_views
from recbole_cl.augmentation.combine import apply_per_row
from recbole_cl.batch import Rows
from tests.augmentation.cases import cl4srec_operators, coserec_operators, counting_rows, generator, random_rows

ROWS = 6000


def writer(value: int) -> Operator:
    """An operator whose views tell which operator made them."""

    def write(item_seq: Tensor, seq_len: Tensor, generator: torch.Generator) -> Rows:
        return Rows(torch.where(item_seq > 0, value, 0), seq_len.clone())

    return write


WRITERS = {"a": writer(11), "b": writer(12), "c": writer(13)}


def drawn_pairs(length: int, *, distinct: bool, short_length: int = -1, short: tuple[str, ...] = ()) -> Tensor:
    """What each of ``ROWS`` rows drew, as [ROWS, 2] of the values above."""
    lengths = torch.full((ROWS,), length)
    views = draw_two_views(
        counting_rows(lengths, 6),
        lengths,
        WRITERS,
        generator(),
        distinct=distinct,
        short_length=short_length,
        short_operators=short,
    )
    return torch.stack([view.item_seq[:, 0] for view in views], dim=1)


def assert_uniform(pairs: Tensor, expected: set[tuple[int, int]]) -> None:
    values, counts = pairs.unique(dim=0, return_counts=True)
    assert {(a, b) for a, b in values.tolist()} == expected
    share = 1 / len(expected)
    assert int((counts - ROWS * share).abs().max()) < 5 * math.sqrt(ROWS * share * (1 - share))


def test_distinct_pairs() -> None:
    pairs = {(a, b) for a in (11, 12, 13) for b in (11, 12, 13) if a != b}
    assert_uniform(drawn_pairs(4, distinct=True), pairs)


def test_pairs_with_replacement() -> None:
    assert_uniform(drawn_pairs(4, distinct=False), {(a, b) for a in (11, 12, 13) for b in (11, 12, 13)})
    assert_uniform(drawn_pairs(1, distinct=False), {(a, b) for a in (11, 12, 13) for b in (11, 12, 13)})


def test_distinct_leaves_single_items_alone() -> None:
    assert (drawn_pairs(1, distinct=True) == 1).all()


@pytest.mark.parametrize("distinct", [False, True])
def test_short_rows_draw_from_their_own_set(distinct: bool) -> None:
    short = {(a, b) for a in (12, 13) for b in (12, 13) if a != b or not distinct}
    assert_uniform(drawn_pairs(4, distinct=distinct, short_length=4, short=("b", "c")), short)
    long = {(a, b) for a in (11, 12, 13) for b in (11, 12, 13) if a != b or not distinct}
    assert_uniform(drawn_pairs(5, distinct=distinct, short_length=4, short=("b", "c")), long)


@pytest.mark.parametrize("distinct", [False, True])
@pytest.mark.parametrize("operators", [cl4srec_operators(), coserec_operators()], ids=["cl4srec", "coserec"])
def test_views_are_new_and_repeatable(operators: dict[str, Operator], distinct: bool) -> None:
    item_seq, seq_len = random_rows()
    before = item_seq.clone(), seq_len.clone()
    views = draw_two_views(item_seq, seq_len, operators, generator(), distinct=distinct)
    again = draw_two_views(item_seq, seq_len, operators, generator(), distinct=distinct)
    other = draw_two_views(item_seq, seq_len, operators, generator(1), distinct=distinct)
    for view, same, different in zip(views, again, other, strict=True):
        assert torch.equal(view.item_seq, same.item_seq)
        assert torch.equal(view.seq_len, same.seq_len)
        assert not torch.equal(view.item_seq, different.item_seq)
        padding = torch.arange(item_seq.size(1)) >= view.seq_len.unsqueeze(1)
        assert not view.item_seq[padding].any()
        view.item_seq.fill_(-1)
        view.seq_len.fill_(-1)
    assert torch.equal(item_seq, before[0])
    assert torch.equal(seq_len, before[1])


@pytest.mark.parametrize("distinct", [False, True])
def test_the_host_never_reads_a_value(distinct: bool) -> None:
    item_seq, seq_len = (tensor.to("meta") for tensor in random_rows())
    views = draw_two_views(
        item_seq,
        seq_len,
        cl4srec_operators(),
        generator(),
        distinct=distinct,
        short_length=4,
        short_operators=("mask", "crop"),
    )
    assert all(view.item_seq.shape == item_seq.shape for view in views)


def test_apply_per_row_follows_the_choice() -> None:
    item_seq, seq_len = random_rows(batch=8)
    choice = torch.tensor([-1, 0, 1, 2, 0, 1, 2, -1])
    view = apply_per_row(item_seq, seq_len, list(WRITERS.values()), choice, generator())
    unchanged = choice == -1
    assert torch.equal(view.item_seq[unchanged], item_seq[unchanged])
    assert (view.item_seq[~unchanged, 0] == choice[~unchanged] + 11).all()
    assert view.item_seq.data_ptr() != item_seq.data_ptr()
    untouched = apply_per_row(item_seq, seq_len, [], choice, generator())
    untouched.item_seq.fill_(-1)
    assert int(item_seq.min()) == 0


def test_an_unknown_operator_for_short_rows_is_refused() -> None:
    with pytest.raises(ValueError, match=r"short_operators \['swap'\].*\['a', 'b', 'c'\]"):
        drawn_pairs(4, distinct=False, short_length=4, short=("b", "swap"))
