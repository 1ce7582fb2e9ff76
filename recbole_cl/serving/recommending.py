"""Recommendations for histories, in batches, from any object that scores items for rows.

Letters: B rows, L columns, N items (padding row 0 included), K list length.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from recbole_cl.data.vocabulary import Vocabulary
from recbole_cl.errors import UsageError
from recbole_cl.ragged import row_numbers, spans, window
from recbole_cl.serving.histories import Histories
from recbole_cl.serving.top_items import Excluded, TopItems, refuse_wrong_k, top_items

ROWS_PER_BATCH = 256
SEEN, NOTHING = "seen", "none"


@dataclass(frozen=True)
class Exclusion:
    """Items that are not recommended.

    Attributes:
        seen: Whether a user's own items are left out.
        items: Ids of items that are recommended to no user.
    """

    seen: bool
    items: tuple[int, ...] = ()


def exclusion_of(exclude: str | Iterable[object], items: Vocabulary) -> Exclusion:
    """Reads which items to exclude.

    Args:
        exclude: ``seen``, ``none``, or items' tokens, which are left out as well as the seen ones; unknown tokens are
            ignored.
        items: The items that the model knows.

    Raises:
        UsageError: If it is another word.
    """
    if isinstance(exclude, str) and exclude in (SEEN, NOTHING):
        return Exclusion(exclude == SEEN)
    if isinstance(exclude, str) or not isinstance(exclude, Iterable):
        raise UsageError(f"exclude = {exclude!r}: expected {SEEN}, {NOTHING} or a list of items")
    return Exclusion(True, tuple(items.known(exclude)))


class RowBatch(NamedTuple):
    """Rows in the form that a model needs, [B, L] with lengths and user ids [B], and all their items."""

    item_seq: Tensor
    seq_len: Tensor
    user: Tensor
    seen: Excluded


@dataclass(frozen=True)
class Recommender:
    """A model in use.

    Attributes:
        scorer: Encodes rows [B, L] with lengths [B] and user ids [B], and returns a scorer of items for them.
        items: The items by id.
        width: L.
        device: Device of the model.
    """

    scorer: Callable[[Tensor, Tensor, Tensor], Any]
    items: Vocabulary
    width: int
    device: torch.device

    def batches(self, histories: Histories, rows_per_batch: int = ROWS_PER_BATCH) -> Iterator[RowBatch]:
        """The newest L items of every history, B rows at a time, on the model's device."""
        flat = histories.items.to(self.device)
        for begin in range(0, len(histories), rows_per_batch):
            rows = slice(begin, begin + rows_per_batch)
            first, end = histories.first[rows].to(self.device), histories.end[rows].to(self.device)
            start = torch.maximum(first, end - self.width)
            seen = Excluded(row_numbers(end - first), flat[spans(first, end - first)])
            user = histories.user[rows].to(self.device)
            yield RowBatch(window(flat, start, end, self.width), end - start, user, seen)

    @torch.no_grad()
    def lists(
        self, histories: Histories, k: int, exclusion: Exclusion, rows_per_batch: int = ROWS_PER_BATCH
    ) -> Iterator[TopItems]:
        """The best items to follow each history, batch after batch.

        Args:
            histories: R rows.
            k: K, at least 1 and at most the number of items.
            exclusion: The items to leave out.
            rows_per_batch: B, at least 1.

        Yields:
            Lists of the next B rows, on the CPU; if a row has fewer than K items left, its list ends with scores of
                -inf.

        Raises:
            UsageError: If K is out of range.
        """
        refuse_wrong_k(k, len(self.items) - 1, "items")
        banned = torch.tensor(exclusion.items, dtype=torch.long, device=self.device)
        for item_seq, seq_len, user, seen in self.batches(histories, rows_per_batch):
            scores = self.scorer(item_seq, seq_len, user)
            best = top_items(scores, len(seq_len), len(self.items), k, seen if exclusion.seen else None, banned)
            yield TopItems(best.item.cpu(), best.score.cpu())
