"""Memory-based correlations: the authors' numbers, a slow double loop, and what may and may not be in them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from recbole_cl.config.config import Config
from recbole_cl.data.correlation.memory import check_pairs, memory_top_one, training_pairs
from recbole_cl.data.dataset import ContrastiveDataset
from recbole_cl.data.rows import RowSet, rows_of, sequence_rows
from recbole_cl.errors import UsageError
from recbole_cl.testing.toy import write_cycle
from tests.data.correlation.cases import N_TOY, coserec_toy, double_loop, oracle_pairs, random_pairs


@pytest.fixture(scope="module")
def toy() -> dict[str, NDArray[Any]]:
    return coserec_toy()


@pytest.mark.parametrize("name", ["ItemCF_IUF", "ItemCF"])
def test_memory_based_equals_the_authors_numbers(toy: dict[str, NDArray[Any]], name: str) -> None:
    user, item = oracle_pairs(toy)
    table = memory_top_one(user, item, N_TOY, inverse_user_frequency=name == "ItemCF_IUF")
    scores = toy[f"{name}::score"]
    np.testing.assert_allclose(table.score[1:], scores.max(axis=1)[1:], atol=1e-12)
    np.testing.assert_allclose([table.low, table.high], [toy[f"{name}::min"], toy[f"{name}::max"]], atol=1e-12)
    np.testing.assert_allclose(table.normalised()[1:], toy[f"{name}::top1_minmax_score"][1:], atol=1e-12)
    clear = toy[f"{name}::n_ties_at_top"] == 1
    assert clear.sum() > 8 and np.array_equal(table.item[clear], toy[f"{name}::top1"][clear])
    tied = np.isclose(scores, scores.max(axis=1, keepdims=True)).argmax(axis=1)  # the lowest id of those at the top
    assert np.array_equal(table.item, tied)


@pytest.mark.parametrize("iuf", [True, False])
@pytest.mark.parametrize("entries", [1, 70, 1 << 22])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_memory_based_equals_a_double_loop_in_blocks_of_any_size(iuf: bool, entries: int, seed: int) -> None:
    user, item = random_pairs(seed)
    scores = double_loop(user, item, iuf)
    table = memory_top_one(user, item, 40, inverse_user_frequency=iuf, block_entries=entries)
    for i in range(40):
        best = max(scores[i].values(), default=-math.inf)
        lowest = min((j for j, score in scores[i].items() if score > best - 1e-9), default=0)
        assert (int(table.item[i]), float(table.score[i])) == (lowest, pytest.approx(best, abs=1e-12))
    everything = [score for row in scores.values() for score in row.values()]
    assert (table.low, table.high) == pytest.approx((min(everything), max(everything)), abs=1e-12)
    assert table.item[[0, 37, 38, 39]].tolist() == [0] * 4


def test_memory_based_knows_neither_the_order_of_pairs_nor_how_often_they_come() -> None:
    user, item = random_pairs(4)
    order = torch.randperm(len(user), generator=torch.Generator().manual_seed(0)).repeat(2)
    a, b = memory_top_one(user, item, 40), memory_top_one(user[order], item[order], 40)
    assert torch.equal(a.item, b.item) and torch.allclose(a.score, b.score, atol=1e-12)


def test_scores_that_differ_in_rounding_only_are_ties() -> None:
    # Item 1 has 3 users. It shares 1 of item 2's 2 users, and 3 of item 3's 18: 1 / sqrt(2 * 3) = 3 / sqrt(18 * 3).
    user = torch.tensor([0, 1, 2, *range(18), 0, 18])
    item = torch.tensor([1] * 3 + [3] * 18 + [2] * 2)
    assert int(memory_top_one(user, item, 4, inverse_user_frequency=False).item[1]) == 2


@pytest.mark.parametrize(
    ("user", "item", "message"),
    [
        ([0, 0], [1, 5], r"1\.\.5.*give items in 1\.\.4"),
        ([0, 0], [0, 3], r"0\.\.3.*give items in 1\.\.4"),
        ([-1, 0], [1, 2], "users start at -1"),
        ([0], [1, 2], "one int64 user and item"),
        ([0, 1, 2], [1, 2, 2], "no two items share"),
        ([], [], "no two items share"),
    ],
)
def test_bad_pairs_are_refused(user: list[int], item: list[int], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        check_pairs(torch.tensor(user, dtype=torch.int64), torch.tensor(item, dtype=torch.int64), 5)


def test_equal_scores_are_normalised_to_zero() -> None:
    table = memory_top_one(torch.tensor([0, 0]), torch.tensor([1, 3]), 5)
    assert table.normalised().tolist() == [-math.inf, 0, -math.inf, 0, -math.inf]


@pytest.fixture(scope="module")
def train(tmp_path_factory: pytest.TempPathFactory) -> tuple[RowSet, dict[int, list[int]]]:
    """Training rows of a dataset in which some users are longer than the window, and every user's whole history."""
    settings = {**write_cycle(tmp_path_factory.mktemp("data")), "MAX_ITEM_LIST_LENGTH": 4, "use_gpu": False}
    rows = rows_of(ContrastiveDataset(Config("SASRec", "cycle", config_dict=settings)).build()[0])
    users = rows.user_start.unique()
    return rows, {n: rows.items[rows.user_start == first].tolist() for n, first in enumerate(users)}


@pytest.mark.parametrize("form", ["prefix", "sequence"])
def test_validation_and_test_items_and_the_last_target_never_enter(
    train: tuple[RowSet, dict[int, list[int]]], form: str
) -> None:
    rows, histories = train
    user, item = training_pairs(rows if form == "prefix" else sequence_rows(rows))
    assert {n: item[user == n].tolist() for n in histories} == {n: all_[:-3] for n, all_ in histories.items()}


def test_held_out_items_do_not_change_the_table(train: tuple[RowSet, dict[int, list[int]]]) -> None:
    rows, _ = train
    last = torch.cat((rows.user_start[1:] != rows.user_start[:-1], torch.tensor([True]))).nonzero().squeeze(1)
    changed = rows.items.clone()
    changed[torch.cat((last, last - 1, last - 2))] = 1
    other = RowSet(changed, rows.user_start, rows.user, rows.start, rows.end, rows.width)
    n_items = int(rows.items.max()) + 1
    a, b = (memory_top_one(*training_pairs(r), n_items) for r in (rows, other))
    assert torch.equal(a.item, b.item) and torch.equal(a.score, b.score)
    changed[last - 3] = 1  # inputs do, where there are any
    assert not torch.equal(a.score, memory_top_one(*training_pairs(other), n_items).score)
