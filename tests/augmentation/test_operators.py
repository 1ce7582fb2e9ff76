"""Properties of every operator, and what its options mean."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor

from recbole_cl.augmentation import Operator, crop, delete, insert, mask, reorder, substitute
from recbole_cl.augmentation.positions import choose_positions, item_count
from recbole_cl.batch import Rows
from tests.augmentation.cases import MASK_ID, NEIGHBOUR, counting_rows, every_operator, generator, random_rows

TABLED = (substitute, insert)
OPERATORS: list[Callable[..., Rows]] = [
    crop,
    partial(mask, fill_id=MASK_ID),
    reorder,
    delete,
    *(partial(operator, neighbour=NEIGHBOUR) for operator in TABLED),
]


def label(operator: Operator) -> str:
    assert isinstance(operator, partial)
    options = {key: value for key, value in operator.keywords.items() if key != "neighbour"}
    return f"{operator.func.__name__}-{'-'.join(map(str, options.values()))}"


@pytest.mark.parametrize("operator", every_operator(), ids=label)
def test_every_operator(operator: Operator) -> None:
    item_seq, seq_len = random_rows()
    before = item_seq.clone(), seq_len.clone()
    view = operator(item_seq, seq_len, generator())
    assert torch.equal(item_seq, before[0])
    assert torch.equal(seq_len, before[1])
    for new, old in zip((view.item_seq, view.seq_len), before, strict=True):
        assert new.shape == old.shape
        assert new.dtype == torch.int64
        assert new.is_contiguous()
        assert new.data_ptr() not in (item_seq.data_ptr(), seq_len.data_ptr())
    assert int(view.seq_len.min()) >= 1
    assert int(view.seq_len.max()) <= item_seq.size(1)
    padding = torch.arange(item_seq.size(1)) >= view.seq_len.unsqueeze(1)
    assert not view.item_seq[padding].any()
    again = operator(item_seq, seq_len, generator())
    assert torch.equal(view.item_seq, again.item_seq)
    assert torch.equal(view.seq_len, again.seq_len)


@pytest.mark.parametrize("operator", every_operator(), ids=label)
def test_rows_of_one_column_and_empty_batches(operator: Operator) -> None:
    one = operator(torch.tensor([[3]]), torch.tensor([1]), generator())
    assert one.seq_len.tolist() == [1]
    none = operator(torch.zeros(0, 5, dtype=torch.int64), torch.zeros(0, dtype=torch.int64), generator())
    assert none.item_seq.shape == (0, 5)


@pytest.mark.parametrize("operator", every_operator(), ids=label)
def test_the_host_never_reads_a_value(operator: Operator) -> None:
    """Tensors on the meta device hold none: whatever would make the host wait for a GPU raises here."""
    assert isinstance(operator, partial)
    tables = {key: value.to("meta") for key, value in operator.keywords.items() if isinstance(value, Tensor)}
    item_seq, seq_len = (tensor.to("meta") for tensor in random_rows())
    view = operator(item_seq, seq_len, generator(), **tables)
    assert view.item_seq.shape == item_seq.shape


@pytest.mark.parametrize("ratio", [0.0, 0.05, 0.1, 0.2, 0.3, 0.6, 0.7, 0.9, 1.0])
def test_counts_are_pythons(ratio: float) -> None:
    lengths = torch.arange(1, 1001)
    assert item_count(lengths, ratio).tolist() == [int(ratio * n) for n in range(1, 1001)]
    assert item_count(lengths, ratio, "ceil").tolist() == [math.ceil(ratio * n) for n in range(1, 1001)]
    at_least = item_count(lengths, ratio, at_least=3).tolist()
    assert at_least == [min(max(int(ratio * n), 3), n) for n in range(1, 1001)]


def test_every_subset_of_positions_is_equally_likely() -> None:
    lengths = torch.full((30_000,), 4)
    item_seq = counting_rows(lengths, 6)
    chosen = choose_positions(item_seq, lengths, torch.full((30_000,), 2), generator())
    subsets, counts = chosen.unique(dim=0, return_counts=True)
    assert len(subsets) == 6
    assert not subsets[:, 4:].any()
    error = math.sqrt(30_000 * (1 / 6) * (5 / 6))
    assert int((counts - 5_000).abs().max()) < 5 * error


def test_crop_keeps_a_contiguous_part() -> None:
    lengths = torch.arange(1, 13).repeat(50)
    view = crop(counting_rows(lengths, 12), lengths, generator(), ratio=0.6)
    column = torch.arange(12)
    assert torch.equal(view.item_seq, (view.item_seq[:, :1] + column) * (column < view.seq_len.unsqueeze(1)))
    assert view.seq_len.tolist() == [max(int(0.6 * n), 1) for n in lengths.tolist()]


@pytest.mark.parametrize("ratio", [0.2, 0.6, 1.0])
@pytest.mark.parametrize("rounding", ["floor", "ceil"])
def test_spans_before_the_last_item(ratio: float, rounding: str) -> None:
    lengths = torch.arange(5, 13).repeat(100)
    item_seq = counting_rows(lengths, 12)
    options = {"ratio": ratio, "rounding": rounding, "span": "before_last"}
    cropped = OPERATORS[0](item_seq, lengths, generator(), **options)
    assert not (cropped.item_seq == lengths.unsqueeze(1)).any()
    shuffled = OPERATORS[2](item_seq, lengths, generator(), **options)
    last = lengths.unsqueeze(1) - 1
    assert torch.equal(shuffled.item_seq.gather(1, last), item_seq.gather(1, last))


def test_reorder_moves_one_span_only() -> None:
    lengths = torch.full((500,), 10)
    item_seq = counting_rows(lengths, 12)
    view = reorder(item_seq, lengths, generator(), ratio=0.4)
    assert torch.equal(view.item_seq.sort(dim=1).values, item_seq.sort(dim=1).values)
    moved = view.item_seq != item_seq
    column = torch.arange(12)
    first = torch.where(moved, column, 12).min(dim=1).values
    last = torch.where(moved, column, -1).max(dim=1).values
    assert int((last - first).max()) == 3
    whole = reorder(item_seq, lengths, generator(), ratio=1.0).item_seq
    assert (whole[:, 9] != 10).any()


def test_mask_writes_its_id_and_nothing_else() -> None:
    item_seq, seq_len = random_rows()
    view = mask(item_seq, seq_len, generator(), ratio=0.3, fill_id=MASK_ID)
    written = view.item_seq != item_seq
    assert (view.item_seq[written] == MASK_ID).all()
    assert written.sum(dim=1).tolist() == [int(0.3 * n) for n in seq_len.tolist()]


def test_substitute_writes_neighbours() -> None:
    item_seq, seq_len = random_rows()
    view = substitute(item_seq, seq_len, generator(), ratio=0.5, neighbour=NEIGHBOUR)
    written = view.item_seq != item_seq
    assert torch.equal(view.item_seq[written], NEIGHBOUR[item_seq[written]])
    assert written.sum(dim=1).tolist() == [max(int(0.5 * n), 1) for n in seq_len.tolist()]


def test_insert_puts_neighbours_before_and_keeps_the_newest() -> None:
    row = torch.tensor([[1, 2, 3, 0, 0, 0]])
    full = insert(row, torch.tensor([3]), generator(), ratio=1.0, neighbour=NEIGHBOUR)
    assert full.item_seq.tolist() == [[501, 1, 502, 2, 503, 3]]
    over = insert(torch.tensor([[1, 2, 3, 4]]), torch.tensor([4]), generator(), ratio=1.0, neighbour=NEIGHBOUR)
    assert over.item_seq.tolist() == [[503, 3, 504, 4]]
    assert over.seq_len.tolist() == [4]


def test_delete_keeps_order_and_at_least_one_item() -> None:
    lengths = torch.arange(1, 13).repeat(50)
    item_seq = counting_rows(lengths, 12)
    view = delete(item_seq, lengths, generator(), ratio=0.4)
    assert view.seq_len.tolist() == [max(n - int(0.4 * n), 1) for n in lengths.tolist()]
    inside = torch.arange(1, 12) < view.seq_len.unsqueeze(1)
    assert (view.item_seq.diff(dim=1)[inside] > 0).all()
    assert (delete(item_seq, lengths, generator(), ratio=1.0).seq_len == 1).all()


@pytest.mark.parametrize("ratio", [-0.1, 1.5, float("nan")])
@pytest.mark.parametrize("operator", OPERATORS)
def test_ratios_outside_0_1_are_refused(operator: Callable[..., Rows], ratio: float) -> None:
    with pytest.raises(ValueError, match=rf"{ratio}.*\[0, 1\].*0\.2"):
        operator(*random_rows(), generator(), ratio=ratio)


@pytest.mark.parametrize("operator", OPERATORS)
def test_unknown_rounding_is_refused(operator: Callable[..., Rows]) -> None:
    with pytest.raises(ValueError, match="'round'.*'floor' or 'ceil'"):
        operator(*random_rows(), generator(), ratio=0.5, rounding="round")


@pytest.mark.parametrize(
    ("operator", "options", "message"),
    [
        (OPERATORS[0], {"span": "last"}, "'last'.*'any' or 'before_last'"),
        (OPERATORS[2], {"span": "last"}, "'last'.*'any' or 'before_last'"),
        (OPERATORS[1], {"fill_id": -2}, "fill_id -2.*mask token"),
        (OPERATORS[4], {"neighbour": torch.zeros(3)}, "float32.*one int64 id"),
        (OPERATORS[5], {"neighbour": torch.zeros(3, 2, dtype=torch.int64)}, r"\[3, 2\].*one int64 id"),
    ],
)
def test_bad_options_are_refused(operator: Callable[..., Rows], options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        operator(*random_rows(), generator(), ratio=0.5, **options)


@pytest.mark.parametrize("operator", [substitute, insert])
def test_only_the_papers_form_brings_in_nothing_at_a_ratio_of_zero(operator: Callable[..., Rows]) -> None:
    item_seq, seq_len = random_rows()
    views = {
        form: operator(item_seq, seq_len, generator(), ratio=0.0, neighbour=NEIGHBOUR, rounding=form)
        for form in ("floor", "ceil")
    }
    room = seq_len < item_seq.size(1)  # what is inserted before a full row is cut off again
    assert (views["floor"].item_seq != item_seq)[room].any(1).all()
    assert torch.equal(views["ceil"].item_seq, item_seq) and torch.equal(views["ceil"].seq_len, seq_len)


def test_padding_ids_inside_a_row_count_as_items() -> None:
    item_seq, seq_len = torch.tensor([[1, 0, 3, 0]]), torch.tensor([3])
    view = delete(item_seq, seq_len, generator(), ratio=0.4)
    assert view.seq_len.tolist() == [2]
    kept: list[Tensor] = [torch.tensor(pair) for pair in ([1, 0], [1, 3], [0, 3])]
    assert any(torch.equal(view.item_seq[0, :2], pair) for pair in kept)
