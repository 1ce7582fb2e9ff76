"""Random items in the rows of the test, to see how a trained model copes with them.

Letters: R rows, J items of all rows together, K items put in.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from recbole_cl.data.rows import RowSet
from recbole_cl.errors import UsageError

_STREAM = 7  # of the run's seed, apart from those of training


def with_noise(rows: RowSet, share: float, n_items: int, seed: int) -> RowSet:
    """Puts random items into rows; their targets stay the last.

    For a user of n items, the target included, int(share * n) places before one of the n are drawn with replacement,
    and each place that was drawn gets one item, uniform among those that the user never had.

    Reference:
        Liu et al., "Contrastive Self-supervised Sequential Recommendation with Robust Augmentation", 2021, section 5.4
        and Figure 7; as in the authors' code.

    Args:
        rows: The rows of a test split.
        share: In [0, 1]; 0.1 to 0.5 in the paper.
        n_items: N, the padding row included.
        seed: The same gives the same rows.

    Returns:
        Rows of a flat array of their own, in the same order, with the same users and targets.

    Raises:
        UsageError: If a user had all items already.
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
    """A uniform item for each owner among those that it has not.

    Args:
        owner: Rows, [K].
        known: ``row * n_items + item`` of all that rows have, sorted, each once.
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
