"""Model-based and hybrid correlations against the authors' numbers and full products.

Letters: N items, D hidden size.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from recbole_cl.data.correlation.memory import memory_top_one
from recbole_cl.data.correlation.model import fill_missing, hybrid, model_top_one
from recbole_cl.errors import UsageError
from tests.data.correlation.cases import N_TOY, coserec_toy, oracle_pairs, tables


@pytest.fixture(scope="module")
def toy() -> dict[str, NDArray[Any]]:
    return coserec_toy()


def test_model_based_equals_the_authors_numbers_but_for_padding_and_mask(toy: dict[str, NDArray[Any]]) -> None:
    table = model_top_one(torch.from_numpy(toy["online::embedding"]), N_TOY)
    theirs = toy["online::top1"]
    real = (theirs > 0) & (theirs < N_TOY)
    assert np.flatnonzero(~real).tolist() == [0, 10]  # row 0, and an item whose best is the mask id, 13
    assert np.array_equal(table.item[real], theirs[real])
    np.testing.assert_allclose(table.normalised()[real], toy["online::top1_score"][real], atol=1e-6)
    np.testing.assert_allclose([table.low, table.high], [toy["online::min"], toy["online::max"]], rtol=1e-6)
    assert int(table.item[10]) == 3  # the best real item


def test_hybrid_equals_the_authors_numbers(toy: dict[str, NDArray[Any]]) -> None:
    memory = memory_top_one(*oracle_pairs(toy), N_TOY)
    ours = hybrid(memory, model_top_one(torch.from_numpy(toy["online::embedding"]), N_TOY))
    theirs = toy["hybrid::top1"]
    real = (theirs > 0) & (theirs < N_TOY)
    assert np.flatnonzero(~real).tolist() == [0, 10]
    assert np.array_equal(ours[real], theirs[real])
    assert int(ours[10]) == 3  # the mask id in theirs
    assert np.flatnonzero(ours != memory.item).tolist() == [1, 7, 8, 10]  # where the model-based one wins


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
def test_model_based_equals_a_full_product_in_blocks_of_any_size(entries: int, width: int) -> None:
    embedding = torch.randn(30, 5, generator=torch.Generator().manual_seed(1), requires_grad=True)
    table = model_top_one(embedding, 28, block_entries=entries, block_width=width)
    full = (embedding @ embedding.T).detach()[1:28, 1:28]
    assert (table.low, table.high) == pytest.approx((float(full.min()), float(full.max())))
    score, item = full.fill_diagonal_(-math.inf).max(dim=1)
    assert torch.equal(table.item[1:], item + 1) and table.item[0] == 0 and table.item.dtype == torch.int64
    assert torch.allclose(table.score[1:], score.double(), atol=1e-6) and not table.score.requires_grad


def test_model_based_ties_go_to_the_lowest_id_across_blocks() -> None:
    table = model_top_one(torch.ones(9, 3), 8, block_entries=6, block_width=2)
    assert table.item.tolist() == [0, 2, 1, 1, 1, 1, 1, 1]


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
