"""Ranks of a whole split from a trained model, in batches.

Letters: B rows, L columns, N items, D hidden size.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from recbole.data.interaction import Interaction
from torch import Tensor

from recbole_cl.errors import UsageError
from recbole_cl.evaluation.metrics import RankCounts
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
from recbole_cl.ragged import window


class RankEvaluator:
    """Ranks the targets of a split under both history protocols, in one pass over the model.

    Rows are visited by length, so that windows are trimmed; scores exist only a block at a time.

    Args:
        model: One of ours, which scores blocks of items, or any RecBole sequential model.
        batch_size: Rows encoded together.
        top_k: Length of the lists to collect for metrics of coverage and popularity; 0 for none.
    """

    def __init__(self, model: Any, batch_size: int, top_k: int = 0) -> None:
        self.model = model
        self.batch_size = batch_size
        self.top_k = top_k

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
        counts: list[Counts] = []
        tops: list[dict[str, Tensor]] = []
        batches = [_parts(first, last, ROWS_PER_BLOCK) for first, last in _parts(0, len(split.order), self.batch_size)]
        histories = iter(split.history.of_blocks([block for blocks in batches for block in blocks]))
        for blocks in batches:
            first, last = blocks[0][0], blocks[-1][1]
            represent = self._represent(split, first, last)
            for begin, end in blocks:
                scores = represent(begin - first, end - first)
                history = next(histories)
                target = split.rows.items[split.rows.end[split.order[begin:end]]]
                counts.append(count_block(scores, self.model.n_items, target, history, ITEMS_PER_BLOCK))
                if self.top_k:
                    gone = torch.where(split.repeated[begin:end], target, 0)  # a target that the user had before
                    tops.append(self._top_items(scores, history, gone))
            if progress is not None:
                progress(last - first)
        total = Counts(*(torch.cat(column) for column in zip(*counts, strict=True)))
        if bool((total.above + total.tied < 0).any()):  # not even equal to itself
            raise UsageError("the model scores targets as NaN: lower learning_rate or raise temperature")
        lists = {name: torch.cat([top[name] for top in tops]) for name in tops[0]} if tops else {}
        return protocols(total, split, self.model.n_items, lists)

    def _represent(self, split: EvaluationRows, first: int, last: int) -> Callable[[int, int], Scores]:
        """Encodes rows first..last-1 of the evaluation order; returns what scores a slice of them."""
        rows, model = split.rows, self.model
        index = split.order[first:last]
        start, end = rows.start[index], rows.end[index]
        length = end - start
        ours = hasattr(model, "score_items")
        # The rows come sorted by length. RecBole's models get whole rows: some (Caser, HGN) fail on shorter ones, and
        # some (NextItNet, NPE) read padding, so that their scores would depend on the batch.
        item_seq = window(rows.items, start, end, int(length[-1]) if ours else rows.width)
        if ours:
            hidden = model.forward(item_seq, length)  # [B, D]
            return lambda i, j: lambda a, b: model.score_items(hidden[i:j], a, b)
        fields = {model.ITEM_SEQ: item_seq, model.ITEM_SEQ_LEN: length, model.ITEM_ID: rows.items[end]}
        if hasattr(model, "USER_ID"):
            fields[model.USER_ID] = rows.user[index]
        full = model.full_sort_predict(Interaction(fields)).view(len(index), -1)  # [B, N]
        return lambda i, j: lambda a, b: full[i:j, a:b].clone()

    def _top_items(self, scores: Scores, history: History, gone: Tensor) -> dict[str, Tensor]:
        block = scores(0, self.model.n_items)
        block[:, 0] = -torch.inf
        kept = block.topk(self.top_k).indices
        block[history.row, history.item] = -torch.inf
        block.scatter_(1, gone.unsqueeze(1), -torch.inf)
        return {KEPT.setting: kept, REMOVED.setting: block.topk(self.top_k).indices}


def _parts(first: int, last: int, size: int) -> list[tuple[int, int]]:
    """Cuts the rows first..last-1 into parts of ``size``, the last one of what is left."""
    return [(begin, min(begin + size, last)) for begin in range(first, last, size)]
