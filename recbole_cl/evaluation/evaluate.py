"""Ranks a whole split with a trained model, in batches.

Letters: B rows, L columns, N items, D hidden size.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from recbole_cl.distributed.processes import world
from recbole_cl.distributed.sharing import filled_by_all
from recbole_cl.errors import UsageError
from recbole_cl.evaluation.metrics import MetricSettings, RankCounts
from recbole_cl.evaluation.protocol import KEPT, REMOVED
from recbole_cl.evaluation.ranks import (
    ITEMS_PER_BLOCK,
    ROWS_PER_BLOCK,
    Counts,
    EvaluationRows,
    History,
    Scores,
    count_block,
    protocols,
)
from recbole_cl.model.interface import Scorer, TrainableModel
from recbole_cl.ragged import window


@dataclass(frozen=True)
class EvaluationSettings:
    """How a run is validated and tested.

    Attributes:
        metrics: The metrics to compute from the ranks.
        valid_metric: The metric for early stopping, as metrics are named: ``mrr@10``.
        history: How validation treats the user's own items: ``keep`` them in the ranking or ``remove`` them.
        batch_size: Number of rows encoded together, at least 1.
    """

    metrics: MetricSettings
    valid_metric: str
    history: str
    batch_size: int

    @property
    def longest(self) -> int:
        """The largest cut-off."""
        return max(self.metrics.topk)

    def refuse_too_long_lists(self, n_items: int) -> None:
        """Refuses lists longer than there are items: the next rank is that of a target that can't be recommended.

        Args:
            n_items: Number of items, without the padding.
        """
        if self.longest > n_items:
            raise UsageError(f"topk = {self.longest}: there are {n_items} items, too few for that list; lower topk")


class RankEvaluator:
    """Ranks the targets of a split under both history protocols, in one pass over the model.

    Rows are visited in order of length, so that windows can be trimmed; only one block of scores exists at a time.

    Args:
        model: A model on the device of the splits.
        batch_size: Number of rows encoded together.
        top_k: Length of the lists that metrics of coverage and popularity need; 0 for none.
        items_per_block: Number of items scored at a time, at least 1.
    """

    def __init__(
        self, model: TrainableModel, batch_size: int, top_k: int = 0, items_per_block: int = ITEMS_PER_BLOCK
    ) -> None:
        self.model = model
        self.batch_size = batch_size
        self.top_k = top_k
        self.items_per_block = items_per_block

    @torch.no_grad()
    def rank(self, split: EvaluationRows, progress: Callable[[int], object] | None = None) -> dict[str, RankCounts]:
        """Ranks every row of a split.

        Args:
            split: Its rows, on the model's device.
            progress: Called with the number of rows done after each batch.

        Returns:
            Ranks with the history kept (``keep``) and removed (``remove``), in the dataset's order of rows.
        """
        self.model.eval()
        n_items, n_rows, device = split.n_items, len(split.order), split.order.device
        total = Counts(*torch.zeros(len(Counts._fields), n_rows, dtype=torch.int64, device=device))
        names: tuple[str, ...] = (KEPT.setting, REMOVED.setting) if self.top_k else ()
        lists = {name: torch.zeros(n_rows, self.top_k, dtype=torch.int64, device=device) for name in names}
        rank, size = world()
        batches = [_parts(first, last, ROWS_PER_BLOCK) for first, last in _parts(0, n_rows, self.batch_size)]
        own = batches[rank::size]  # whole batches, so that a row's scores equal those of a single process exactly
        histories = iter(split.history.of_blocks([block for blocks in own for block in blocks]) if own else ())
        for number, blocks in enumerate(batches):
            first, last = blocks[0][0], blocks[-1][1]
            if number % size == rank:
                scorer = self._encode(split, first, last)
                for begin, end in blocks:
                    scores = _of_rows(scorer, slice(begin - first, end - first))
                    history = next(histories)
                    target = split.rows.items[split.rows.end[split.order[begin:end]]]
                    if split.candidates is not None:
                        among = torch.cat((split.candidates[begin:end], target.unsqueeze(1)), 1)
                        scores = _among(scores, among, n_items)
                    counts = count_block(scores, n_items, target, history, self.items_per_block)
                    for column, counted in zip(total, counts, strict=True):
                        column[begin:end] = counted
                    if self.top_k:
                        gone = torch.where(split.repeated[begin:end], target, 0)  # a target that the user had before
                        for name, top in self._top_items(scores, n_items, history, gone).items():
                            lists[name][begin:end] = top
            if progress is not None:
                progress(last - first)
        total = Counts(*map(filled_by_all, total))
        if bool((total.above + total.tied < 0).any()):  # the target does not even equal itself
            raise UsageError("the model scores targets as NaN: lower learning_rate or raise temperature")
        return protocols(total, split, split.n_ranked, {name: filled_by_all(top) for name, top in lists.items()})

    def _encode(self, split: EvaluationRows, first: int, last: int) -> Scorer:
        """Encodes rows first..last-1 of the evaluation order."""
        rows, index = split.shown, split.order[first:last]
        start, end = rows.start[index], rows.end[index]
        return self.model.scorer(window(rows.items, start, end, rows.width), end - start, rows.user[index])

    def _top_items(self, scores: Scores, n_items: int, history: History, gone: Tensor) -> dict[str, Tensor]:
        block = scores(0, n_items)
        block[:, 0] = -torch.inf
        kept = block.topk(self.top_k).indices
        block[history.row, history.item] = -torch.inf
        block.scatter_(1, gone.unsqueeze(1), -torch.inf)
        return {KEPT.setting: kept, REMOVED.setting: block.topk(self.top_k).indices}


def _of_rows(scorer: Scorer, rows: slice) -> Scores:
    return lambda first, last: scorer(rows, slice(first, last))


def _among(scores: Scores, candidates: Tensor, n_items: int) -> Scores:
    """The scores of some items of each row, [B, S]; all other scores are minus infinity."""
    left_out = torch.ones(len(candidates), n_items, dtype=torch.bool, device=candidates.device)
    left_out.scatter_(1, candidates, False)
    return lambda first, last: scores(first, last).masked_fill_(left_out[:, first:last], -torch.inf)


def _parts(first: int, last: int, size: int) -> list[tuple[int, int]]:
    """Cuts the rows first..last-1 into parts of ``size``; the last part may be smaller."""
    return [(begin, min(begin + size, last)) for begin in range(first, last, size)]
