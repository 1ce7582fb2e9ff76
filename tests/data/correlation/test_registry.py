"""Correlations by name: which table an epoch takes, when it is made, and somebody else's beside ours."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from recbole_cl.data.correlation.memory import TopOne
from recbole_cl.data.correlation.model import fill_missing, hybrid, model_top_one
from recbole_cl.data.correlation.registry import CORRELATIONS, Correlation, MemoryCorrelation, ModelCorrelation
from recbole_cl.errors import UsageError
from recbole_cl.registry import name_paths
from tests.data.correlation.cases import random_pairs, tables

N = 40
OUTSIDE = """
import torch


class Next:
    def __init__(self, dataset, n_items, options):
        self.n_items = n_items

    def neighbours(self, epoch, item_table, generator):
        table = torch.arange(self.n_items) % (self.n_items - 1) + 1
        table[0] = 0
        return table
"""


@pytest.fixture(scope="module")
def memory() -> TopOne:
    return tables(0)[0]


def embedding(seed: int = 7) -> Tensor:
    """Of all items, and of a mask token."""
    return torch.randn(N + 1, 6, generator=torch.Generator().manual_seed(seed))


def at(correlation: Correlation, epoch: int, item_table: Tensor) -> Tensor:
    return correlation.neighbours(epoch, item_table, torch.Generator().manual_seed(3))


def filled(memory: TopOne) -> Tensor:
    return fill_missing(memory.item, torch.Generator().manual_seed(3))


def test_an_epoch_takes_the_memory_based_table_up_to_the_switch_and_the_hybrid_of_its_own_embeddings_after_it(
    memory: TopOne,
) -> None:
    correlation = MemoryCorrelation(random_pairs(0), N, switch_epoch=2)
    early, late = embedding(7), embedding(8)
    assert all(torch.equal(at(correlation, epoch, early), filled(memory)) for epoch in (0, 2))
    for item_table in (early, late):
        assert torch.equal(at(correlation, 3, item_table), hybrid(memory, model_top_one(item_table, N)))
    assert not torch.equal(at(correlation, 3, early), at(correlation, 3, late))
    for table in (at(correlation, 0, early), at(correlation, 9, late)):
        assert table.shape == (N,) and table.dtype == torch.int64 and table[0] == 0
        assert int(table[1:].min()) > 0 and not torch.any(table[1:] == torch.arange(1, N))


def test_without_a_switch_all_epochs_are_memory_based(memory: TopOne) -> None:
    assert torch.equal(at(MemoryCorrelation(random_pairs(0), N), 10_000, embedding()), filled(memory))


def test_a_switch_of_minus_one_is_hybrid_from_the_first_epoch(memory: TopOne) -> None:
    correlation = MemoryCorrelation(random_pairs(0), N, switch_epoch=-1)
    assert torch.equal(at(correlation, 0, embedding()), hybrid(memory, model_top_one(embedding(), N)))


def test_a_model_based_one_follows_the_embeddings_from_the_first_epoch() -> None:
    correlation = ModelCorrelation(N)
    for seed in (7, 8):
        assert torch.equal(at(correlation, 0, embedding(seed)), model_top_one(embedding(seed), N).item)


@pytest.mark.parametrize("correlation", [MemoryCorrelation(random_pairs(0), N, switch_epoch=-1), ModelCorrelation(N)])
def test_the_table_is_not_changed_by_later_training(correlation: Correlation) -> None:
    item_table = embedding()
    table = at(correlation, 0, item_table)
    before = table.clone()
    item_table.neg_()
    assert torch.equal(table, before)


def test_bad_pairs_are_refused_at_once_and_none_when_they_are_needed() -> None:
    with pytest.raises(UsageError, match="no two items share"):
        MemoryCorrelation((torch.tensor([0, 1]), torch.tensor([1, 2])), N)
    correlation = MemoryCorrelation(None, N)
    with pytest.raises(UsageError, match="no interactions to correlate items by"):
        at(correlation, 0, embedding())


def test_a_name_makes_one_by_the_settings(memory: TopOne) -> None:
    user, item = random_pairs(0)
    # As RecBole's split: a row that holds a user's one item, and what the reader asks of the dataset.
    split = _Split({"user": user, "item_list": item.unsqueeze(1)})
    options = SimpleNamespace(inverse_user_frequency=True, switch_epoch=0)
    table = embedding()
    late = {name: at(CORRELATIONS.resolve(name)(split, N, options), 1, table) for name in CORRELATIONS.names()}
    assert late.keys() == {"memory", "model", "hybrid"}
    assert torch.equal(late["memory"], filled(memory))
    assert torch.equal(late["model"], model_top_one(table, N).item)
    assert torch.equal(late["hybrid"], hybrid(memory, model_top_one(table, N)))
    early = CORRELATIONS.resolve("hybrid")(split, N, options)
    assert torch.equal(at(early, 0, table), filled(memory))
    plain = at(CORRELATIONS.resolve("memory")(split, N, SimpleNamespace(inverse_user_frequency=False)), 0, table)
    assert not torch.equal(plain, filled(memory))


class _Split:
    uid_field, iid_field = "user", "item"

    def __init__(self, features: dict[str, Tensor]) -> None:
        self.inter_feat = features
        self.config = {"LIST_SUFFIX": "_list"}


def test_a_correlation_of_somebody_else_is_found_by_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "somebodys_correlations.py").write_text(OUTSIDE, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    path = "somebodys_correlations.Next"
    with pytest.raises(UsageError, match=f"correlation {path}: named only by a stored file"):
        CORRELATIONS.resolve(path)
    name_paths({"correlation": path})
    table = at(CORRELATIONS.resolve(path)(None, 5, {}), 0, embedding())
    assert table.tolist() == [0, 2, 3, 4, 1]
