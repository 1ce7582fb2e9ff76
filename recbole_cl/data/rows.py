"""Training and evaluation rows as tensors of offsets into one flat item array.

Letters: I interactions, R rows, L columns.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from recbole_cl.batch import Rows
from recbole_cl.data.dataset import ROW_END, ROW_START, ContrastiveDataset
from recbole_cl.errors import UsageError
from recbole_cl.ragged import row_numbers, spans, window


@dataclass(frozen=True)
class RowSet:
    """Rows of one split: windows ``[start, end)`` of the flat array, the last target at ``end``.

    Attributes:
        items: Flat item ids of all users, [I].
        user_start: First interaction of the user of each interaction, [I].
        user: User of each row, [R].
        start: First item of each row's window, [R].
        end: Position of its target, one after its last item, [R].
        width: Longest window allowed, L.
    """

    items: Tensor
    user_start: Tensor
    user: Tensor
    start: Tensor
    end: Tensor
    width: int

    def __len__(self) -> int:
        return len(self.start)

    @property
    def target(self) -> Tensor:
        """The item after each row's window, [R]."""
        return self.items[self.end]

    def take(self, row: Tensor) -> Rows:
        """The windows of the rows with the given numbers, right padded: [B] -> [B, L] rows."""
        start, end = self.start[row], self.end[row]
        return Rows(window(self.items, start, end, self.width), end - start)

    def to(self, device: torch.device) -> RowSet:
        """The same rows with all tensors on ``device``."""
        return RowSet(
            self.items.to(device),
            self.user_start.to(device),
            self.user.to(device),
            self.start.to(device),
            self.end.to(device),
            self.width,
        )


def rows_of(dataset: ContrastiveDataset) -> RowSet:
    """The rows of a built split, ordered by user and time.

    Args:
        dataset: One of the splits that ``ContrastiveDataset.build`` returns.

    Returns:
        Its rows; for the training split one row per prefix, for the others one per user.
    """
    features = dataset.inter_feat
    order = torch.argsort(features[ROW_END])
    return RowSet(
        items=dataset.flat[dataset.iid_field],
        user_start=dataset.user_start,
        user=features[dataset.uid_field][order],
        start=features[ROW_START][order],
        end=features[ROW_END][order],
        width=dataset.max_item_list_len,
    )


def sequence_rows(prefixes: RowSet) -> RowSet:
    """One row per user, for a loss at every position; long users are cut into windows without losing any target.

    Args:
        prefixes: The training rows of the prefix form.

    Returns:
        Rows whose inputs are ``[start, end)`` and whose targets are ``start + 1 .. end``. A user with more than L
            targets has several rows: the newest holds the last L targets, older rows hold the earlier ones, without
            overlap.
    """
    newest = torch.ones(len(prefixes), dtype=torch.bool, device=prefixes.user.device)
    newest[:-1] = prefixes.user[1:] != prefixes.user[:-1]
    last = prefixes.end[newest]  # last target of each user
    first = prefixes.user_start[last]
    n_rows = (last - first + prefixes.width - 1) // prefixes.width
    owner = row_numbers(n_rows)
    back = spans(torch.zeros_like(n_rows), n_rows)  # 0 for a user's newest row, 1 for the one before it
    end = last[owner] - back * prefixes.width
    start = torch.maximum(first[owner], end - prefixes.width)
    return RowSet(prefixes.items, prefixes.user_start, prefixes.user[newest][owner], start, end, prefixes.width)


def require_rows(rows: RowSet, split: str) -> RowSet:
    """Returns the rows, or refuses an empty split.

    Raises:
        UsageError: If ``rows`` is empty.
    """
    if len(rows) == 0:
        raise UsageError(
            f"no {split} rows are left after filtering: lower user_inter_num_interval / item_inter_num_interval, "
            "or give users with at least 4 interactions"
        )
    return rows
