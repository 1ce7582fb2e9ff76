"""The best items of encoded rows, a block of items at a time.

Letters: B rows, N items (padding row 0 included), H excluded pairs, K list length.
"""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral
from typing import NamedTuple

import torch
from torch import Tensor

from recbole_cl.errors import UsageError

Scores = Callable[[slice, slice], Tensor]
"""Scores of some items for some of the B rows, [rows, items]; the caller may modify them."""

ITEMS_PER_BLOCK = 32_768


def refuse_wrong_k(k: object, most: int, what: str) -> None:
    """Refuses a length of lists that is not a whole number from 1 to the number of items.

    Args:
        k: K.
        most: That number.
        what: What it counts, for the message.

    Raises:
        UsageError: If it is.
    """
    if not isinstance(k, Integral) or not 1 <= int(k) <= most:
        raise UsageError(f"k = {k}: expected 1 to {most}, the number of {what}")


class Excluded(NamedTuple):
    """Items that must not be recommended to particular rows.

    Attributes:
        row: Row of each pair, [H].
        item: Item of each pair, [H].
    """

    row: Tensor
    item: Tensor


class TopItems(NamedTuple):
    """Lists of items, best first; a list with fewer than K items is filled up with scores of -inf.

    Attributes:
        item: Item ids, [B, K].
        score: Their scores, [B, K].
    """

    item: Tensor
    score: Tensor


def top_items(
    scores: Scores,
    n_rows: int,
    n_items: int,
    k: int,
    excluded: Excluded | None,
    banned: Tensor,
    items_per_block: int = ITEMS_PER_BLOCK,
) -> TopItems:
    """Finds the K best items of every row, holding at most one block of scores.

    Args:
        scores: Scores items for the B rows.
        n_rows: B.
        n_items: N; item 0 is padding and is never found.
        k: K, below N.
        excluded: Pairs of rows and items to leave out; None for none.
        banned: Items to leave out for all rows.
        items_per_block: Number of items scored at a time, at least 1.

    Returns:
        The lists.
    """
    found: TopItems | None = None
    for first in range(0, n_items, items_per_block):
        last = min(first + items_per_block, n_items)
        block = scores(slice(0, n_rows), slice(first, last))
        if first == 0:
            block[:, 0] = -torch.inf
        if excluded is not None:
            inside = (excluded.item >= first) & (excluded.item < last)
            block[excluded.row[inside], excluded.item[inside] - first] = -torch.inf
        block[:, banned[(banned >= first) & (banned < last)] - first] = -torch.inf
        best = block.topk(min(k, last - first))
        here = TopItems(best.indices + first, best.values)
        found = here if found is None else _merged(found, here, k)
    assert found is not None  # N is at least 1
    return found


def _merged(one: TopItems, other: TopItems, k: int) -> TopItems:
    item, score = (torch.cat(pair, dim=1) for pair in zip(one, other, strict=True))
    best = score.topk(min(k, score.shape[1]))
    return TopItems(item.gather(1, best.indices), best.values)
