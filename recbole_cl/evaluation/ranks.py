"""The rank of each user's target, by counting, under both history protocols in one pass.

Letters: U evaluated rows (one per user), B rows of a block, C items of a block, N items (padding row 0 included),
H history entries.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from recbole_cl.data.rows import RowSet
from recbole_cl.evaluation.metrics import RankCounts
from recbole_cl.evaluation.protocol import KEPT, REMOVED
from recbole_cl.ragged import row_numbers, spans

ROWS_PER_BLOCK = 256  # with 32,768 items a block of scores takes 32 MB, which stays near the caches
ITEMS_PER_BLOCK = 32_768

Scores = Callable[[int, int], Tensor]
"""Scores of the items first..last-1 for B rows, [B, last - first]."""


class Counts(NamedTuple):
    """Numbers of items with a higher and an equal score, among all items and among each row's history. Each [B]."""

    above: Tensor
    tied: Tensor
    history_above: Tensor
    history_tied: Tensor


class History(NamedTuple):
    """Distinct earlier items of rows, as (row, item) pairs sorted by row; the target is not among them.

    Attributes:
        row: Row of each pair, [H].
        item: Item of each pair, [H].
    """

    row: Tensor
    item: Tensor

    def of_blocks(self, blocks: Sequence[tuple[int, int]]) -> list[History]:
        """The pairs of each block of rows first..last-1, with rows counted from ``first``."""
        bounds = torch.tensor(blocks, device=self.row.device)  # [blocks, 2]
        places = torch.searchsorted(self.row, bounds).tolist()  # the host waits once
        return [
            History(self.row[begin:end] - first, self.item[begin:end])
            for (first, _), (begin, end) in zip(blocks, places, strict=True)
        ]


@dataclass(frozen=True)
class EvaluationRows:
    """Rows to evaluate, shortest window first, with their whole histories.

    Attributes:
        rows: One row per user, in the dataset's order.
        shown: The rows that the model sees; they differ if noise was inserted, but have the same targets.
        order: The evaluation order: row numbers sorted by window length, [U].
        history: Earlier items of the rows, in evaluation order.
        repeated: Whether the target occurs in the row's history, in evaluation order, [U].
        removed: Number of distinct earlier items other than the target, in evaluation order, [U].
        n_items: N; some RecBole models count additional items of their own.
        candidates: The items among which each target is ranked, in evaluation order, [U, S]; None for all.
    """

    rows: RowSet
    shown: RowSet
    order: Tensor
    history: History
    repeated: Tensor
    removed: Tensor
    n_items: int
    candidates: Tensor | None = None

    @property
    def n_ranked(self) -> int:
        """Number of items ranked in each row if no history is removed, plus the padding row: N, or S + 2."""
        return self.n_items if self.candidates is None else self.candidates.shape[1] + 2


def evaluation_rows(rows: RowSet, n_items: int, shown: RowSet | None = None) -> EvaluationRows:
    """Prepares a split for evaluation; done once per run.

    Args:
        rows: The rows of a validation or test split.
        n_items: N.
        shown: The rows that the model sees, if they differ.

    Returns:
        The rows in evaluation order, with all earlier interactions of their users (not only the last L).
    """
    device = rows.start.device
    shown = rows if shown is None else shown
    order = torch.argsort(shown.end - shown.start, stable=True)
    end = rows.end[order]
    start = rows.user_start[end]
    row, place = row_numbers(end - start), spans(start, end - start)
    pairs = torch.unique(row * n_items + rows.items[place])  # sorted, each item once
    row, item = pairs // n_items, pairs % n_items
    is_target = item == rows.items[end][row]
    repeated = torch.zeros(len(end), dtype=torch.bool, device=device)
    repeated[row[is_target]] = True
    history = History(row[~is_target], item[~is_target])
    removed = torch.bincount(history.row, minlength=len(end))
    return EvaluationRows(rows, shown, order, history, repeated, removed, n_items)


def count_block(scores: Scores, n_items: int, target: Tensor, history: History, items_per_block: int) -> Counts:
    """Counts the items that score higher than each row's target, holding at most two blocks of scores.

    The target's score is read from the same product as the others, so that equal scores compare as equal; catalogues of
    more than one block are therefore scored twice.

    Args:
        scores: Scores items for the B rows.
        n_items: N; item 0 is padding and is never counted.
        target: Targets, [B].
        history: Earlier items of the B rows.
        items_per_block: C, at least 1.

    Returns:
        The counts; they never include the target itself.
    """
    bounds = [(first, min(first + items_per_block, n_items)) for first in range(0, n_items, items_per_block)]
    single = scores(*bounds[0]) if len(bounds) == 1 else None
    target_score = torch.zeros(len(target), dtype=torch.float64, device=target.device)
    for first, last in bounds:
        block = scores(first, last) if single is None else single
        here = (target >= first) & (target < last)
        own = block.gather(1, (target - first).clamp(0, last - first - 1).unsqueeze(1)).squeeze(1)
        target_score = torch.where(here, own.to(target_score.dtype), target_score)
    zero = torch.zeros_like(target)
    counts = Counts(zero, zero - 1, zero.clone(), zero.clone())  # the target ties with itself
    for first, last in bounds:
        block = scores(first, last) if single is None else single
        if first == 0:
            block[:, 0] = -torch.inf
        counts = _add_block(counts, block, target_score, history, first)
    return counts


def _add_block(counts: Counts, block: Tensor, target_score: Tensor, history: History, first: int) -> Counts:
    bar = target_score.to(block.dtype)
    above = torch.count_nonzero(block > bar.unsqueeze(1), dim=1)
    at_least = torch.count_nonzero(block >= bar.unsqueeze(1), dim=1)
    inside = (history.item >= first) & (history.item < first + block.shape[1])
    row, item = history.row[inside], history.item[inside] - first
    score, bar = block[row, item], bar[row]
    return Counts(
        counts.above + above,
        counts.tied + at_least - above,
        counts.history_above.index_add_(0, row, (score > bar).long()),
        counts.history_tied.index_add_(0, row, (score == bar).long()),
    )


def protocols(
    counts: Counts, split: EvaluationRows, n_items: int, top_items: Mapping[str, Tensor]
) -> dict[str, RankCounts]:
    """Turns the counts of a whole split into ranks under both protocols, in the dataset's order of rows.

    Args:
        counts: Counts of all rows, in evaluation order.
        split: The split.
        n_items: N.
        top_items: The items with the highest scores under each protocol, in evaluation order; empty if no metric needs
            them.

    Returns:
        ``keep``: all items compete. ``remove``: earlier items of the user do not compete; a target that is itself among
            them can't be recommended and gets the last rank.
    """
    back = torch.empty_like(split.order)
    back[split.order] = torch.arange(len(split.order), device=split.order.device)
    above = torch.where(split.repeated, n_items - 1, counts.above - counts.history_above)
    tied = torch.where(split.repeated, 0, counts.tied - counts.history_tied)
    top = {name: items[back] for name, items in top_items.items()}
    return {
        KEPT.setting: RankCounts(counts.above[back], counts.tied[back], n_items, top.get(KEPT.setting)),
        REMOVED.setting: RankCounts(above[back], tied[back], n_items, top.get(REMOVED.setting), split.removed[back]),
    }
