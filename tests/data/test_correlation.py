"""Item correlations against the authors' numbers and slow double loops, and what may and may not be in them.

Letters: N items, D hidden size.
"""

from __future__ import annotations

import math
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from recbole_cl.config.config import Config
from recbole_cl.data.correlation import model as model_correlation
from recbole_cl.data.correlation.memory import TopOne, memory_top_one, training_pairs
from recbole_cl.data.correlation.model import ItemCorrelation, fill_missing, hybrid, model_top_one
from recbole_cl.data.dataset import ContrastiveDataset
from recbole_cl.data.rows import RowSet, rows_of, sequence_rows
from recbole_cl.errors import UsageError
from recbole_cl.testing.toy import write_cycle

N_TOY = 13  # ids of the oracle, padding included


@pytest.fixture(scope="module")
def oracle() -> dict[str, Any]:
    path = Path(__file__).parents[1] / "oracles" / "b2_coserec_similarity_toy.npz"
    return dict(np.load(path, allow_pickle=False))


def oracle_pairs(oracle: dict[str, Any]) -> tuple[Tensor, Tensor]:
    """What the authors keep: all but the last three items of each user."""
    users = np.split(oracle["users_flat"], np.cumsum(oracle["users_len"])[:-1])
    user = np.concatenate([np.full(len(items) - 3, number) for number, items in enumerate(users)])
    return torch.from_numpy(user), torch.from_numpy(np.concatenate([items[:-3] for items in users]))


def random_pairs(seed: int, n_users: int = 30, n_items: int = 40) -> tuple[Tensor, Tensor]:
    """Made-up histories with repeats; ids 38 and 39 have no user, id 37 one who has nothing else."""
    generator = torch.Generator().manual_seed(seed)
    length = torch.randint(1, 15, (n_users,), generator=generator)
    user = torch.repeat_interleave(torch.arange(n_users), length)
    item = torch.randint(1, n_items - 3, user.shape, generator=generator)
    return torch.cat((user, torch.tensor([n_users]))), torch.cat((item, torch.tensor([n_items - 3])))


def double_loop(user: Tensor, item: Tensor, iuf: bool) -> dict[int, dict[int, float]]:
    """Equation 9, pair by pair."""
    taken: dict[int, set[int]] = defaultdict(set)
    for u, i in zip(user.tolist(), item.tolist(), strict=True):
        taken[u].add(i)
    count: dict[int, int] = defaultdict(int)
    for items in taken.values():
        for i in items:
            count[i] += 1
    score: dict[int, dict[int, float]] = defaultdict(lambda: defaultdict(float))
    for items in taken.values():
        for i in items:
            for j in items - {i}:
                weight = 1 / math.log(1 + len(items)) if iuf else 1.0
                score[i][j] += weight / math.sqrt(count[i] * count[j])
    return score


@pytest.mark.parametrize("name", ["ItemCF_IUF", "ItemCF"])
def test_memory_based_equals_the_authors_numbers(oracle: dict[str, Any], name: str) -> None:
    user, item = oracle_pairs(oracle)
    table = memory_top_one(user, item, N_TOY, inverse_user_frequency=name == "ItemCF_IUF")
    scores = oracle[f"{name}::score"]
    np.testing.assert_allclose(table.score[1:], scores.max(axis=1)[1:], atol=1e-12)
    np.testing.assert_allclose([table.low, table.high], [oracle[f"{name}::min"], oracle[f"{name}::max"]], atol=1e-12)
    np.testing.assert_allclose(table.normalised()[1:], oracle[f"{name}::top1_minmax_score"][1:], atol=1e-12)
    clear = oracle[f"{name}::n_ties_at_top"] == 1
    assert clear.sum() > 8 and np.array_equal(table.item[clear], oracle[f"{name}::top1"][clear])
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
        memory_top_one(torch.tensor(user, dtype=torch.int64), torch.tensor(item, dtype=torch.int64), 5)


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


def test_model_based_equals_the_authors_numbers_but_for_padding_and_mask(oracle: dict[str, Any]) -> None:
    table = model_top_one(torch.from_numpy(oracle["online::embedding"]), N_TOY)
    theirs = oracle["online::top1"]
    real = (theirs > 0) & (theirs < N_TOY)
    assert np.flatnonzero(~real).tolist() == [0, 10]  # row 0, and an item whose best is the mask id, 13
    assert np.array_equal(table.item[real], theirs[real])
    np.testing.assert_allclose(table.normalised()[real], oracle["online::top1_score"][real], atol=1e-6)
    np.testing.assert_allclose([table.low, table.high], [oracle["online::min"], oracle["online::max"]], rtol=1e-6)
    assert int(table.item[10]) == 3  # the best real item


def test_hybrid_equals_the_authors_numbers(oracle: dict[str, Any]) -> None:
    memory = memory_top_one(*oracle_pairs(oracle), N_TOY)
    ours = hybrid(memory, model_top_one(torch.from_numpy(oracle["online::embedding"]), N_TOY))
    theirs = oracle["hybrid::top1"]
    real = (theirs > 0) & (theirs < N_TOY)
    assert np.flatnonzero(~real).tolist() == [0, 10]
    assert np.array_equal(ours[real], theirs[real])
    assert int(ours[10]) == 3  # the mask id in theirs
    assert np.flatnonzero(ours != memory.item).tolist() == [1, 7, 8, 10]  # where the model-based one wins


def tables(seed: int) -> tuple[TopOne, TopOne, NDArray[np.float64]]:
    """Both sources for made-up items, and the paper's element-wise maximum of their normalised scores, [N, N]."""
    user, item = random_pairs(seed)
    embedding = torch.randn(42, 6, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 0.3
    memory, model = memory_top_one(user, item, 40), model_top_one(embedding, 40)
    products = (embedding @ embedding.T)[1:40, 1:40].numpy()
    raw = np.zeros((40, 40))  # as in equation 9: no common user, score 0
    for i, row in double_loop(user, item, True).items():
        for j, score in row.items():
            raw[i, j] = score
    both = np.full((40, 40), -np.inf)
    for i in range(1, 40):
        for j in range(1, 40):
            if i != j:
                online = (products[i - 1, j - 1] - products.min()) / (products.max() - products.min())
                both[i, j] = max((raw[i, j] - memory.low) / (memory.high - memory.low), online)
    return memory, model, both


@pytest.mark.parametrize("seed", range(5))
def test_hybrid_is_the_papers_maximum_over_all_items(seed: int) -> None:
    memory, model, both = tables(seed)
    chosen = hybrid(memory, model).numpy()
    scores = np.maximum(memory.normalised().numpy(), model.normalised().numpy())
    np.testing.assert_allclose(both[np.arange(1, 40), chosen[1:]], both.max(axis=1)[1:], atol=1e-9)
    np.testing.assert_allclose(scores[1:], both.max(axis=1)[1:], atol=1e-9)
    sources = (memory.item.numpy() == chosen)[1:]
    assert 0 < sources.sum() < len(sources)  # each source wins somewhere


@pytest.mark.parametrize("width", [1, 4, 1 << 12])
@pytest.mark.parametrize("entries", [1, 100, 1 << 24])
def test_model_based_equals_a_full_product_in_blocks_of_any_size(
    entries: int, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_correlation, "_BLOCK_WIDTH", width)
    embedding = torch.randn(30, 5, generator=torch.Generator().manual_seed(1), requires_grad=True)
    table = model_top_one(embedding, 28, block_entries=entries)
    full = (embedding @ embedding.T).detach()[1:28, 1:28]
    assert (table.low, table.high) == pytest.approx((float(full.min()), float(full.max())))
    score, item = full.fill_diagonal_(-math.inf).max(dim=1)
    assert torch.equal(table.item[1:], item + 1) and table.item[0] == 0 and table.item.dtype == torch.int64
    assert torch.allclose(table.score[1:], score.double(), atol=1e-6) and not table.score.requires_grad


def test_model_based_ties_go_to_the_lowest_id_across_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_correlation, "_BLOCK_WIDTH", 2)
    assert model_top_one(torch.ones(9, 3), 8, block_entries=6).item.tolist() == [0, 2, 1, 1, 1, 1, 1, 1]


def test_model_based_never_returns_padding_mask_or_the_item_itself() -> None:
    embedding = torch.full((7, 3), -1.0)
    embedding[[0, 5, 6]] = 100.0  # padding, and two rows beyond the items
    embedding[1:5] *= torch.tensor([[1.0], [2.0], [3.0], [4.0]])
    assert model_top_one(embedding, 5).item.tolist() == [0, 4, 4, 4, 3]


@pytest.mark.parametrize(("shape", "n_items"), [((4, 2), 5), ((4, 2), 2), ((4,), 3)])
def test_tables_without_the_items_are_refused(shape: tuple[int, ...], n_items: int) -> None:
    with pytest.raises(UsageError, match="give a row for each"):
        model_top_one(torch.zeros(shape), n_items)


def test_an_item_without_a_neighbour_gets_a_random_known_one() -> None:
    item = torch.tensor([0, 3, 0, 1, 1, 0])
    generator = torch.Generator().manual_seed(0)
    drawn = torch.stack([fill_missing(item, generator) for _ in range(600)])
    assert (drawn[:, [0, 1, 3, 4]] == item[[0, 1, 3, 4]]).all()
    for missing in (2, 5):
        counts = torch.bincount(drawn[:, missing], minlength=6)
        assert counts[[0, 2, 5]].sum() == 0 and counts[[1, 3, 4]].min() > 150  # 200 each, deviation 11.5
    again = fill_missing(item, torch.Generator().manual_seed(0))
    assert torch.equal(again, drawn[0])


def test_an_epoch_takes_the_memory_based_table_up_to_the_switch_and_the_hybrid_of_its_own_embeddings_after_it() -> None:
    memory, _, _ = tables(0)
    correlation = ItemCorrelation(len(memory.item), memory, switch_epoch=2)
    early, late = (torch.randn(41, 6, generator=torch.Generator().manual_seed(seed)) for seed in (7, 8))

    def at(epoch: int, embedding: Tensor) -> Tensor:
        return correlation.neighbours(epoch, embedding, torch.Generator().manual_seed(3))

    filled = fill_missing(memory.item, torch.Generator().manual_seed(3))
    assert all(torch.equal(at(epoch, early), filled) for epoch in (0, 2))
    for embedding in (early, late):
        assert torch.equal(at(3, embedding), hybrid(memory, model_top_one(embedding, 40)))
    assert not torch.equal(at(3, early), at(3, late))
    for table in (at(0, early), at(9, late)):
        assert table.shape == (40,) and table.dtype == torch.int64 and table[0] == 0
        assert int(table[1:].min()) > 0 and not torch.any(table[1:] == torch.arange(1, 40))


def test_the_table_is_not_changed_by_later_training() -> None:
    memory, _, _ = tables(0)
    embedding = torch.randn(40, 6, generator=torch.Generator().manual_seed(7))
    table = ItemCorrelation(len(memory.item), memory, -1).neighbours(0, embedding, torch.Generator())
    before = table.clone()
    embedding.neg_()
    assert torch.equal(table, before)


def test_a_switch_before_the_first_epoch_is_refused() -> None:
    memory, _, _ = tables(0)
    with pytest.raises(UsageError, match="switch_epoch is -2"):
        ItemCorrelation(len(memory.item), memory, -2)
