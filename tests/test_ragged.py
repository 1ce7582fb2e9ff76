"""Ragged rows against loops: row after row, item after item."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from recbole_cl import ragged

LENGTHS = [torch.tensor(lengths) for lengths in ([3, 1, 4], [2], [0, 3, 0, 1], [0, 0], [])]
EVERY = pytest.mark.parametrize("length", [it.long() for it in LENGTHS], ids=str)
WITH_OR_WITHOUT = pytest.mark.parametrize("counted", [True, False])


@EVERY
def test_offsets_and_last_places(length: Tensor) -> None:
    begin, ends, starts = 0, [], []
    for n in length.tolist():
        starts.append(begin)
        begin += n
        ends.append(begin - 1)
    assert ragged.offsets(length).tolist() == starts and ragged.last_places(length).tolist() == ends


@EVERY
@WITH_OR_WITHOUT
def test_row_numbers(length: Tensor, counted: bool) -> None:
    expected = [row for row, n in enumerate(length.tolist()) for _ in range(n)]
    assert ragged.row_numbers(length, int(length.sum()) if counted else None).tolist() == expected


@EVERY
@WITH_OR_WITHOUT
def test_spans(length: Tensor, counted: bool) -> None:
    first = 7 * torch.arange(len(length)).flip(0) + 2
    expected = [begin + i for begin, n in zip(first.tolist(), length.tolist(), strict=True) for i in range(n)]
    assert ragged.spans(first, length, int(length.sum()) if counted else None).tolist() == expected


@EVERY
@WITH_OR_WITHOUT
def test_places_of_items(length: Tensor, counted: bool) -> None:
    expected = [5 * row + i for row, n in enumerate(length.tolist()) for i in range(n)]
    assert ragged.places_of_items(length, 5, int(length.sum()) if counted else None).tolist() == expected


@EVERY
def test_columns_and_real_items(length: Tensor) -> None:
    rows = torch.zeros(len(length), 5, dtype=torch.int64)  # ids are not read: 0 may stand inside a row
    assert ragged.columns(rows).tolist() == [0, 1, 2, 3, 4]
    assert ragged.real_items(rows, length).tolist() == [[i < n for i in range(5)] for n in length.tolist()]


@pytest.mark.parametrize("shape", [(4,), (2, 2)])
@pytest.mark.parametrize("element", [(), (3,)])
def test_window(shape: tuple[int, ...], element: tuple[int, ...]) -> None:
    values = torch.randn(10, *element, generator=torch.Generator().manual_seed(0))
    start, end = torch.tensor([0, 7, 9, 4]), torch.tensor([3, 10, 10, 4])
    expected = torch.zeros(4, 3, *element)
    for row, (first, last) in enumerate(zip(start.tolist(), end.tolist(), strict=True)):
        for column, place in enumerate(range(first, last)):
            expected[row, column] = values[place]
    rows = ragged.window(values, start.view(shape), end.view(shape), 3)
    assert torch.equal(rows, expected.view(*shape, 3, *element))


def test_a_window_of_ids_is_right_padded_ids() -> None:
    rows = ragged.window(torch.arange(10, 20), torch.tensor([0, 7, 9]), torch.tensor([3, 10, 10]), 4)
    assert rows.tolist() == [[10, 11, 12, 0], [17, 18, 19, 0], [19, 0, 0, 0]]


@pytest.mark.parametrize("width", [1, 4, 9])
def test_compact(width: int) -> None:
    draw = torch.Generator().manual_seed(0)
    items = torch.randint(1, 100, (50, 7), generator=draw)
    keep = torch.rand(50, 7, generator=draw) < torch.linspace(0, 1, 50).unsqueeze(1)
    keep[0], keep[1] = False, True
    before = items.clone(), keep.clone()
    rows, count = ragged.compact(items, keep, width)
    for row, n, own, kept in zip(rows.tolist(), count.tolist(), items.tolist(), keep.tolist(), strict=True):
        left = [item for item, stays in zip(own, kept, strict=True) if stays][-width:]
        assert row == left + [0] * (width - len(left)) and n == len(left)
    assert torch.equal(items, before[0]) and torch.equal(keep, before[1]) and rows.is_contiguous()


def test_the_host_waits_for_nothing_that_is_counted() -> None:
    """Tensors on the meta device hold no values: whatever would make the host wait for a GPU raises here."""
    length, rows = torch.empty(3, dtype=torch.int64, device="meta"), torch.empty(3, 5, device="meta")
    assert ragged.row_numbers(length, 6).shape == ragged.spans(length, length, 6).shape == (6,)
    assert ragged.places_of_items(length, 5, 6).shape == (6,)
    assert ragged.offsets(length).shape == ragged.last_places(length).shape == (3,)
    assert ragged.window(torch.empty(9, device="meta"), length, length, 5).shape == (3, 5)
    packed, count = ragged.compact(rows, ragged.real_items(rows, length), 4)
    assert packed.shape == (3, 4) and count.shape == (3,)
