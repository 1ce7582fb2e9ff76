"""Random items in the test rows, to measure how robust a trained model is.

Letters: R rows, J items of all rows together, K inserted items.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from recbole_cl.data.rows import RowSet
from recbole_cl.errors import UsageError

_STREAM = 7  # random stream of the run's seed, separate from those of training


def with_noise(rows: RowSet, share: float, n_items: int, seed: int) -> RowSet:
    """Inserts random items into rows; the target stays the last item.

    For a user with n items, the target included, int(share * n) positions before one of the n items are drawn with
    replacement. Each distinct drawn position gets one item, drawn uniformly from those that the user never had.

    Reference:
        Liu et al., "Contrastive Self-supervised Sequential Recommendation with Robust Augmentation", 2021, section 5.4
        and Figure 7; as in the authors' code.

    Args:
        rows: The rows of a test split.
        share: In [0, 1]; 0.1 to 0.5 in the paper.
        n_items: N, the padding row included.
        seed: Equal seeds give equal rows.

    Returns:
        Rows on a new flat array, in the same order, with the same users and targets.

    Raises:
        UsageError: If a user already has all items.
    """
    generator = np.random.default_rng([seed, _STREAM])
    end = rows.end.numpy()
    length = end - rows.user_start.numpy()[end] + 1  # [R], the target included
    owner = np.repeat(np.arange(len(length)), length)  # [J]
    begin = np.cumsum(length) - length
    place = np.arange(len(owner)) - begin[owner]
    own = rows.items.numpy()[(end + 1 - length)[owner] + place]
    drawn = np.repeat(np.arange(len(length)), (share * length + 1e-9).astype(np.int64))
    at = (generator.random(len(drawn)) * length[drawn]).astype(np.int64)
    drawn, at = np.unique(np.stack([drawn, at]), axis=1)  # [K] each
    noise = _unknown_items(drawn, np.unique(owner * n_items + own), n_items, generator)
    is_own = np.r_[np.zeros(len(drawn), dtype=np.int64), np.ones(len(owner), dtype=np.int64)]
    row = np.r_[drawn, owner]
    order = np.lexsort((is_own, np.r_[at, place], row))
    total = np.bincount(row, minlength=len(length))
    last = np.cumsum(total) - 1
    first = last + 1 - total
    return RowSet(
        items=torch.from_numpy(np.r_[noise, own][order]),
        user_start=torch.from_numpy(np.repeat(first, total)),
        user=rows.user,
        start=torch.from_numpy(np.maximum(first, last - rows.width)),
        end=torch.from_numpy(last),
        width=rows.width,
    )


def _unknown_items(
    owner: NDArray[np.int64], known: NDArray[np.int64], n_items: int, generator: np.random.Generator
) -> NDArray[np.int64]:
    """Draws for each owner a uniform item from those that it does not have.

    Args:
        owner: Rows, [K].
        known: ``row * n_items + item`` for all items in the rows, sorted, without duplicates.
        n_items: N.
        generator: Source of the draws.
    """
    if (np.bincount(known // n_items)[owner] >= n_items - 1).any():
        raise UsageError("test_noise_share: a user has all items, so that none is left to insert; set it to 0")
    item = np.zeros_like(owner)
    left = np.arange(len(owner))
    while len(left):
        item[left] = generator.integers(1, n_items, len(left))
        left = left[np.isin(owner[left] * n_items + item[left], known)]
    return item
