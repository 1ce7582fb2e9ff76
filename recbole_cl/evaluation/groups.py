"""Metrics of groups of users: by the length of their history, or by how often their target was bought in training.

Letters: U users, N items (padding row 0 included).
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from recbole_cl.data.dataset import ContrastiveDataset
from recbole_cl.data.rows import RowSet, rows_of
from recbole_cl.evaluation.metrics import RankCounts

EDGES = (0, 5, 10, 20, 50, 100, 200, 500)  # groups are (0, 5], (5, 10] and so on; 0 is a group of its own


def grouped(values: Tensor) -> list[tuple[str, Tensor]]:
    """Groups users by a count.

    Args:
        values: Counts, [U], each at least 0.

    Returns:
        For each group that has users: its name, such as ``6-10``, and which users are in it, [U] bool.
    """
    edges = torch.tensor(EDGES, device=values.device)
    place = torch.searchsorted(edges, values)  # 0 for 0, then the index of the upper edge
    names = ["0", *(f"{low + 1}-{high}" for low, high in zip(EDGES, EDGES[1:], strict=False)), f"> {EDGES[-1]}"]
    return [(name, inside) for i, name in enumerate(names) if bool((inside := place == i).any())]


def history_lengths(rows: RowSet) -> Tensor:
    """Number of known items of each user before the target, [U]; the model may see only the newest of them.

    Args:
        rows: The rows of a validation or test split.
    """
    return rows.end - rows.user_start[rows.end]


def item_counts(train: ContrastiveDataset) -> Tensor:
    """How often each item was bought in training, as a target or as a user's first item, [N].

    Args:
        train: The training part of a dataset.
    """
    rows = rows_of(train)
    begins = torch.ones(len(rows), dtype=torch.bool, device=rows.user.device)
    begins[1:] = rows.user[1:] != rows.user[:-1]  # a user's first row; where rows list items, each has a first item
    first = rows.user_start[rows.end[begins]]  # not a target of any row
    return torch.bincount(torch.cat([rows.target, rows.items[first]]), minlength=train.item_num)


def of_users(counts: RankCounts, inside: Tensor) -> RankCounts:
    """The ranks of some users.

    Args:
        counts: The ranks of all users.
        inside: Which users to select, [U] bool.
    """
    top = None if counts.top_items is None else counts.top_items[inside]
    removed = None if counts.removed is None else counts.removed[inside]
    return replace(counts, above=counts.above[inside], tied=counts.tied[inside], top_items=top, removed=removed)
