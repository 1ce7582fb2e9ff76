"""Ranks of a split against brute force and against RecBole's own evaluation, under both history protocols."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from recbole.data.dataloader import FullSortEvalDataLoader
from recbole.evaluator import Collector, Evaluator
from torch import Tensor

from recbole_cl.config.config import Config
from recbole_cl.config.models import model_class
from recbole_cl.data.dataset import ROW_END, ContrastiveDataset
from recbole_cl.data.rows import RowSet, rows_of
from recbole_cl.errors import UsageError
from recbole_cl.evaluation.evaluate import RankEvaluator
from recbole_cl.evaluation.metrics import metrics_from_ranks
from recbole_cl.evaluation.ranks import evaluation_rows
from recbole_cl.model.adapter import adapted
from recbole_cl.model.interface import Scorer
from recbole_cl.runs.settings import settings_of
from recbole_cl.testing.toy import write_cycle
from tests.evaluation.rows import rows_of_users

N_ITEMS = 40


class TableModel:
    """Scores the items for a row by a table that its first item picks; many scores are equal."""

    n_items = N_ITEMS
    score_table = torch.randint(0, 12, (N_ITEMS, N_ITEMS), generator=torch.Generator().manual_seed(0)).float()

    def eval(self) -> None:
        """As a module's."""

    def scorer(self, item_seq: Tensor, seq_len: Tensor, user: Tensor) -> Scorer:
        table = self.score_table[item_seq[:, 0]]
        return lambda rows, items: table[rows, items].clone()


def table_model(scores: Tensor = TableModel.score_table) -> Any:
    model = TableModel()
    model.score_table = scores
    return model


def brute_force(rows: RowSet, remove: bool) -> list[int]:
    ranks = []
    for start, end in zip(rows.start.tolist(), rows.end.tolist(), strict=True):
        scores = TableModel.score_table[rows.items[start]]
        target = int(rows.items[end])
        history = set(rows.items[int(rows.user_start[end]) : end].tolist())
        if remove and target in history:
            ranks.append(N_ITEMS)
            continue
        rivals = [i for i in range(1, N_ITEMS) if i != target and not (remove and i in history)]
        ranks.append(1 + sum(bool(scores[i] >= scores[target]) for i in rivals))
    return ranks


@pytest.mark.parametrize("items_per_block", [7, 40, 1000])
@pytest.mark.parametrize("batch_size", [3, 100])
def test_ranks_equal_brute_force(items_per_block: int, batch_size: int) -> None:
    generator = torch.Generator().manual_seed(1)
    lengths = torch.randint(2, 25, (50,), generator=generator).tolist()
    rows = rows_of_users([torch.randint(1, N_ITEMS, (n,), generator=generator).tolist() for n in lengths], 10)
    evaluator = RankEvaluator(table_model(), batch_size, items_per_block=items_per_block)
    ranks = evaluator.rank(evaluation_rows(rows, N_ITEMS))
    assert ranks["keep"].rank.tolist() == brute_force(rows, remove=False)
    assert ranks["remove"].rank.tolist() == brute_force(rows, remove=True)


def test_a_model_that_scores_all_items_alike_ranks_every_target_last() -> None:
    model = table_model(torch.ones(N_ITEMS, N_ITEMS))
    rows = rows_of_users([[1, 2, 3], [4, 5], [6, 7, 8, 9]], 10)
    ranks = RankEvaluator(model, 10).rank(evaluation_rows(rows, N_ITEMS))
    assert ranks["keep"].rank.tolist() == [N_ITEMS - 1] * 3
    assert ranks["remove"].rank.tolist() == [N_ITEMS - 1 - 2, N_ITEMS - 1 - 1, N_ITEMS - 1 - 3]


@pytest.mark.parametrize("name", ["DuoRec", "GRU4Rec"])
def test_equal_to_recboles_evaluation_on_ml_100k(name: str) -> None:
    """For a model of ours and one of RecBole's, untrained: every accuracy metric, at every cut-off."""
    metrics = ["Recall", "MRR", "NDCG", "Hit", "Precision", "MAP", "GAUC"]
    settings = {"metrics": metrics, "topk": [1, 5, 10, 20], "valid_metric": "MRR@10", "use_gpu": False}
    config = Config(name, "ml-100k", config_dict=settings | {"MAX_ITEM_LIST_LENGTH": 10})
    dataset = ContrastiveDataset(config)
    test = dataset.build()[2]
    torch.manual_seed(0)
    model: Any = adapted(model_class(name))(config, dataset).eval()
    counts = RankEvaluator(model, 200).rank(evaluation_rows(rows_of(test), test.item_num))["keep"]
    loader, collector = FullSortEvalDataLoader(config, test, None), Collector(config)
    with torch.no_grad():
        for interaction, _, positive_u, positive_i in loader:
            scores = model.full_sort_predict(interaction).view(-1, test.item_num)
            scores[:, 0] = -torch.inf
            collector.eval_batch_collect(scores, interaction, positive_u, positive_i)
    expected = Evaluator(config).evaluate(collector.get_data_struct())
    assert metrics_from_ranks(settings_of(config).evaluation.metrics, counts) == pytest.approx(expected, abs=2e-6)


@pytest.mark.parametrize("name", ["NextItNet", "NPE"])
def test_recboles_models_that_read_padding_get_whole_rows(name: str, tmp_path: Path) -> None:
    plain = {"MAX_ITEM_LIST_LENGTH": 30, "use_gpu": False}
    config = Config(name, "cycle", config_dict=plain | write_cycle(tmp_path))
    dataset = ContrastiveDataset(config)
    test = dataset.build()[2]
    model: Any = adapted(model_class(name))(config, dataset).eval()
    ranks = RankEvaluator(model, 16).rank(evaluation_rows(rows_of(test), test.item_num))["keep"].rank
    rows = test[torch.argsort(test.inter_feat[ROW_END])]
    with torch.no_grad():
        scores = model.full_sort_predict(rows).view(len(ranks), -1)
    expected = (scores[:, 1:] >= scores.gather(1, rows["item_id"].unsqueeze(1))).sum(1)
    assert float((ranks == expected).float().mean()) > 0.95  # sums in another order may part near-ties


def test_scores_in_float64_lose_no_digit() -> None:
    generator = torch.Generator().manual_seed(3)
    model = table_model(torch.rand(N_ITEMS, N_ITEMS, dtype=torch.float64, generator=generator))
    rows = rows_of_users([[i, i * 7 % (N_ITEMS - 1) + 1] for i in range(1, N_ITEMS)], 10)
    ranks = RankEvaluator(model, 10).rank(evaluation_rows(rows, N_ITEMS))["keep"].rank
    scores, target = model.score_table[1:], rows.items[rows.end].unsqueeze(1)
    assert torch.equal(ranks, (scores[:, 1:] >= scores.gather(1, target)).sum(1))


def test_scores_that_are_no_numbers_are_refused() -> None:
    model = table_model(torch.full((N_ITEMS, N_ITEMS), torch.nan))
    with pytest.raises(UsageError, match="NaN"):
        RankEvaluator(model, 10).rank(evaluation_rows(rows_of_users([[1, 2]], 10), N_ITEMS))


def test_a_repeated_target_is_in_no_list_once_the_history_is_removed() -> None:
    rows = rows_of_users([[3, 1, 2, 3]], 10)
    ranks = RankEvaluator(table_model(), 10, top_k=36).rank(evaluation_rows(rows, N_ITEMS))
    kept, removed = (ranks[name].top_items for name in ("keep", "remove"))
    assert kept is not None and removed is not None and ranks["remove"].rank.tolist() == [N_ITEMS]
    assert set(removed[0].tolist()) == set(range(4, N_ITEMS))


def test_lists_of_top_items_leave_out_what_the_protocol_removes() -> None:
    rows = rows_of_users([[1, 2, 3], [4, 5], [6, 7, 8, 9]], 10)
    ranks = RankEvaluator(table_model(), 10, top_k=35).rank(evaluation_rows(rows, N_ITEMS))
    for row, history in enumerate([{1, 2}, {4}, {6, 7, 8}]):
        kept, removed = (ranks[name].top_items for name in ("keep", "remove"))
        assert kept is not None and removed is not None
        scores = TableModel.score_table[min(history)]
        for items, allowed in ((kept[row], set(range(1, N_ITEMS))), (removed[row], set(range(1, N_ITEMS)) - history)):
            assert len(set(items.tolist())) == 35 and set(items.tolist()) <= allowed
            assert max(scores[list(allowed - set(items.tolist()))]) <= min(scores[items])
