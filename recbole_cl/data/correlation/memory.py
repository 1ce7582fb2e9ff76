"""Memory-based item correlation: items with the same users; only the best neighbour of each item is kept.

Letters: N items (padding row 0 included), U users, P pairs, I interactions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from torch import Tensor

from recbole_cl.data.dataset import ContrastiveDataset
from recbole_cl.data.rows import RowSet, rows_of
from recbole_cl.errors import UsageError

# Number of scores held at a time. A larger value is also slower: passes over a block then miss the processor's cache.
BLOCK_ENTRIES = 1 << 22
# Scores with a smaller relative difference are ties: the order of summation changes the last digit of equal sums.
TIE = 1e-12


@dataclass(frozen=True)
class TopOne:
    """The most correlated item of each item, and the range of all scores for min-max normalisation.

    Attributes:
        item: The id of that item, int64, [N]; 0 where an item has none, as at row 0.
        score: Its raw score, float64, [N]; -inf where an item has none.
        low: The lowest score of all pairs, not only of the best ones.
        high: The highest.
    """

    item: Tensor
    score: Tensor
    low: float
    high: float

    def normalised(self) -> Tensor:
        """Min-max normalised scores, in [0, 1]; -inf where an item has none. All 0 if all scores are equal.

        Reference:
            CoSeRec (Liu et al., 2021), section 4.1.3.
        """
        return (self.score - self.low) / ((self.high - self.low) or 1.0)

    def to(self, device: torch.device) -> TopOne:
        """A copy on ``device``."""
        return TopOne(self.item.to(device), self.score.to(device), self.low, self.high)


def training_pairs(rows: RowSet) -> tuple[Tensor, Tensor]:
    """Pairs of user and item in the training rows' windows; none are from validation or test items.

    An item that is only a target (each user's last training item) is left out, as in CoSeRec: views are made of inputs.

    Args:
        rows: The training rows, of either form.

    Returns:
        Users, numbered from 0, and items, both [P], in the order of the flat array; a repeated item gives a repeated
            pair.
    """
    size = len(rows.items)
    opened = torch.bincount(rows.start, minlength=size) - torch.bincount(rows.end, minlength=size)
    held = opened.cumsum(0) > 0  # [I] whether any window covers the interaction
    first = rows.user_start == torch.arange(size, device=rows.items.device)
    number = first.cumsum(0) - 1  # [I] the interaction's user
    return number[held], rows.items[held]


def input_pairs(dataset: Any) -> tuple[Tensor, Tensor] | None:
    """Pairs of user and item of a training split, ours or plain RecBole's, without each user's last target.

    Args:
        dataset: The training split.

    Returns:
        As ``training_pairs``, in any order and with repetitions; None if the split holds no interactions, such as the
            placeholder datasets of tests and benchmarks.
    """
    rows = getattr(dataset, "inter_feat", None)
    if rows is None:
        return None
    if isinstance(dataset, ContrastiveDataset):
        return training_pairs(rows_of(dataset))
    items = rows[dataset.iid_field + dataset.config["LIST_SUFFIX"]]  # [R, L], RecBole's padded rows
    return rows[dataset.uid_field].repeat_interleave((items > 0).sum(1)), items[items > 0]


def check_pairs(user: Tensor, item: Tensor, n_items: int) -> None:
    """Refuses pairs that ``memory_top_one`` could not use; this takes a few passes over them.

    Args:
        user: Users of the training interactions.
        item: Their items.
        n_items: N.

    Shape:
        ``user`` and ``item`` [P].

    Raises:
        UsageError: If the pairs are malformed, ids lie outside 1..N-1, or no two items share a user.
    """
    if user.dim() != 1 or user.shape != item.shape or user.dtype != torch.int64 or item.dtype != torch.int64:
        raise UsageError(
            f"user and item have shapes {list(user.shape)}, {list(item.shape)} and types {user.dtype}, {item.dtype}: "
            "give one int64 user and item per interaction"
        )
    if len(item) and (int(item.min()) < 1 or int(item.max()) >= n_items or int(user.min()) < 0):
        raise UsageError(
            f"items lie in {int(item.min())}..{int(item.max())}, users start at {int(user.min())}: "
            f"give items in 1..{n_items - 1} and users from 0"
        )
    n_users = int(user.max()) + 1 if len(user) else 0
    lowest = item.new_full((n_users,), n_items).scatter_reduce(0, user, item, "amin")
    highest = item.new_zeros(n_users).scatter_reduce(0, user, item, "amax")
    if not (lowest < highest).any():
        raise UsageError("no two items share a training user, so none are correlated: give longer sequences")


def memory_top_one(
    user: Tensor,
    item: Tensor,
    n_items: int,
    *,
    inverse_user_frequency: bool = True,
    block_entries: int = BLOCK_ENTRIES,
) -> TopOne:
    """Item-based collaborative filtering with inverse user frequency (ItemCF-IUF): the best other item of each item.

    Reference:
        Liu et al., Contrastive Self-supervised Sequential Recommendation with Robust Augmentation (CoSeRec), 2021,
        Eq. 9.

    Args:
        user: Users of the training interactions, numbered from 0, int64; ``check_pairs`` accepts these pairs.
        item: Their items, int64, in 1..N-1; a repeated pair counts once.
        n_items: N.
        inverse_user_frequency: Whether a user with n items has weight 1 / ln(1 + n); otherwise all users have weight 1
            (plain ItemCF).
        block_entries: Maximum number of scores held at a time, plus at most one item's: 28 bytes each.

    Shape:
        ``user`` and ``item`` [P].

    Returns:
        The table, on the CPU; ties go to the lowest id. Its range covers all pairs that share a user.

    Note:
        The authors' code gives ties to the item met first. The running time grows with the sum over users of n squared.
    """
    left, right, work = _factors(_incidence(user.cpu().numpy(), item.cpu().numpy(), n_items), inverse_user_frequency)
    neighbour = np.zeros(n_items, dtype=np.int64)
    best = np.full(n_items, -np.inf)
    low = np.inf
    for first, last in _blocks(work, block_entries):
        scores = left[first:last] @ right
        neighbour[first:last], best[first:last], lowest = _best_of_rows(scores, first)
        low = min(low, lowest)
    return TopOne(torch.from_numpy(neighbour), torch.from_numpy(best), float(low), float(best.max()))


def _incidence(user: NDArray[np.int64], item: NDArray[np.int64], n_items: int) -> Any:
    """Which user has which item: a sparse matrix of ones, [U, N]."""
    shape = (int(user.max(initial=-1)) + 1, n_items)
    held = csr_matrix((np.ones(len(user)), (user, item)), shape=shape)
    held.sum_duplicates()
    held.data[:] = 1.0
    return held


def _factors(held: Any, inverse_user_frequency: bool) -> tuple[Any, Any, NDArray[np.int64]]:
    """Two sparse factors, [N, U] and [U, N], whose product holds all scores; and the number of additions per row."""
    per_user = np.diff(held.indptr)
    per_item = np.bincount(held.indices, minlength=held.shape[1])
    scale = 1.0 / np.sqrt(np.maximum(per_item, 1))
    left = held.T.tocsr()
    work = np.rint(left @ per_user.astype(np.float64)).astype(np.int64)
    left.data = np.repeat(scale, per_item)
    weight = 1.0 / np.log1p(np.maximum(per_user, 1)) if inverse_user_frequency else np.ones(len(per_user))
    held.data = np.repeat(weight, per_user) * scale[held.indices]
    return left, held, work


def _blocks(work: NDArray[np.int64], entries: int) -> Iterator[tuple[int, int]]:
    """Yields ranges of rows whose product holds at most ``entries`` scores, plus those of one row."""
    most = np.minimum(work, len(work))  # a row has at most as many entries as additions, and as columns
    block = (np.cumsum(most) - most) // entries
    bounds = np.flatnonzero(np.diff(block, prepend=-1, append=-1)).tolist()
    yield from zip(bounds[:-1], bounds[1:], strict=True)


def _best_of_rows(scores: Any, first: int) -> tuple[NDArray[np.int64], NDArray[np.float64], float]:
    """The best column and score of each row of a block, and its lowest score; an item is not its own candidate."""
    size, column, score = np.diff(scores.indptr), scores.indices, scores.data
    row = np.repeat(np.arange(len(size), dtype=column.dtype), size)
    own = np.flatnonzero(column == row + first)
    score[own] = np.inf
    lowest = float(score.min(initial=np.inf))
    score[own] = -np.inf
    best = np.full(len(size), -np.inf)
    best[size > 0] = np.maximum.reduceat(score, scores.indptr[:-1][size > 0])
    enough = np.where(best > 0, best * (1 - TIE), np.inf)
    tied = np.flatnonzero(score >= np.repeat(enough, size))
    turn = np.flatnonzero(np.diff(row[tied], prepend=-1))  # where the next row's ties begin
    winner = np.zeros(len(size), dtype=np.int64)
    winner[row[tied][turn]] = np.minimum.reduceat(column[tied], turn)
    return winner, best, lowest
