"""How left-padded code that treats padding like items reads a batch; only for comparisons.

Letters: B rows, L columns, T items of all rows together.
"""

from __future__ import annotations

import torch
from torch import Tensor

from recbole_cl.batch import Batch
from recbole_cl.ragged import columns, places_of_true


def real_places(batch: Batch) -> Tensor:
    """Flat positions of a batch's items when its rows are aligned at the right end of the columns, [T]."""
    width = batch.item_seq.shape[1]
    real = columns(batch.item_seq) >= width - batch.seq_len.unsqueeze(1)
    return places_of_true(real.flatten(), None if batch.host is None else batch.host.total)


def targets_with_padding(batch: Batch) -> Tensor:
    """The next id at every column of right-aligned rows.

    At padding columns this is the id of padding, 0, except at the last one, where it is the row's first item.

    Args:
        batch: A batch of the sequence form.

    Returns:
        The ids, row after row. [B * L].
    """
    assert batch.next_items is not None
    whole = torch.cat((batch.item_seq[:, :1], batch.next_items), dim=1)  # [B, L + 1] items and last target
    width = whole.shape[1]
    right = whole.gather(1, (columns(whole) + batch.seq_len.unsqueeze(1) + 1) % width)
    return right[:, 1:].flatten()
