"""Draws of anchors against loops over the same random numbers, and their distributions."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from torch import Tensor

from recbole_cl.batch import ANCHOR_DRAWS, Prefixes
from recbole_cl.data.anchors import draw_anchors
from recbole_cl.ragged import places_of_items

WIDTH = 5
LENGTHS = torch.tensor([3, 1, 5, 4])
EVERY_DRAW = pytest.mark.parametrize("draw", ANCHOR_DRAWS)


def drawn(draw: str, length: Tensor, n_per_row: int, seed: int = 3) -> Prefixes:
    generator = torch.Generator().manual_seed(seed)
    return draw_anchors(draw, length, places_of_items(length, WIDTH), WIDTH, n_per_row, generator)


def pairs(prefixes: Prefixes) -> list[tuple[int, int]]:
    return list(zip(prefixes.row.tolist(), prefixes.length.tolist(), strict=True))


@EVERY_DRAW
def test_whole_rows_are_not_drawn(draw: str) -> None:
    generator = torch.Generator().manual_seed(3)
    before = generator.get_state()
    whole = draw_anchors(draw, LENGTHS, places_of_items(LENGTHS, WIDTH), WIDTH, 0, generator)
    assert pairs(whole) == list(enumerate(LENGTHS.tolist())) and torch.equal(generator.get_state(), before)


def test_one_of_each_row_takes_one_number_of_the_row() -> None:
    """One float64 for each row: the numbers that runs before ``anchor_draw`` took, so that theirs can be repeated."""
    generator = torch.Generator().manual_seed(3)
    numbers = torch.rand(4, 1, generator=generator, dtype=torch.float64).flatten().tolist()
    expected = [(row, 1 + int(u * n)) for row, (u, n) in enumerate(zip(numbers, LENGTHS.tolist(), strict=True))]
    assert pairs(drawn("per_row", LENGTHS, 1)) == expected


@pytest.mark.parametrize("n_per_row", [2, 3, 5])
def test_several_of_each_row_are_its_smallest_numbers_columns(n_per_row: int) -> None:
    """One float32 for each column, as before; a row that has fewer targets begins anew, in the same order."""
    keys = torch.rand(4, WIDTH, generator=torch.Generator().manual_seed(3)).tolist()
    expected = []
    for row, n in enumerate(LENGTHS.tolist()):
        order = sorted(range(n), key=keys[row].__getitem__)
        expected += [(row, 1 + order[k % n]) for k in range(n_per_row)]
    assert pairs(drawn("per_row", LENGTHS, n_per_row)) == expected


@pytest.mark.parametrize("n_per_row", [1, 2, 3, 4, 5, 8])
def test_of_each_row_every_prefix_is_as_likely_however_many_are_drawn(n_per_row: int) -> None:
    rows = 6000
    lengths = drawn("per_row", torch.full((rows,), 3), n_per_row).length
    expected = rows * n_per_row / 3
    counts = torch.bincount(lengths)[1:]
    assert len(counts) == 3 and float((counts - expected).abs().max()) < 4 * expected**0.5
    for own in lengths.view(rows, n_per_row).tolist():
        times = Counter(own).values()
        assert max(times) == -(-n_per_row // 3) and len(times) == min(n_per_row, 3)


@pytest.mark.parametrize("n_per_row", [1, 2, 3, 4, 8])
def test_of_all_targets_none_is_drawn_twice_before_all_were_once(n_per_row: int) -> None:
    every = [(row, n + 1) for row, length in enumerate(LENGTHS.tolist()) for n in range(length)]  # 13 targets
    times = Counter(pairs(drawn("per_target", LENGTHS, n_per_row)))
    assert times.total() == 4 * n_per_row and set(times) <= set(every)
    assert max(times.values()) == -(-4 * n_per_row // 13) and len(times) == min(4 * n_per_row, 13)


@pytest.mark.parametrize("n_per_row", [1, 4])
def test_of_all_targets_each_is_as_likely(n_per_row: int) -> None:
    repeats = 2000
    times = Counter(pair for seed in range(repeats) for pair in pairs(drawn("per_target", LENGTHS, n_per_row, seed)))
    expected = repeats * 4 * n_per_row / 13
    assert len(times) == 13 and max(abs(count - expected) for count in times.values()) < 4.5 * expected**0.5


@EVERY_DRAW
def test_the_generators_state_decides(draw: str) -> None:
    one, two, other = (pairs(drawn(draw, LENGTHS.repeat(5), 2, seed)) for seed in (3, 3, 4))
    assert one == two != other
