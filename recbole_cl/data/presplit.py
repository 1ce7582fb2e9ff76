"""Presplit data: RecBole's ``benchmark_filename``, with plain interactions or with rows that list their items.

Letters: R rows, I interactions, W length of the longest list.
"""

from __future__ import annotations

from collections.abc import Sequence
from logging import getLogger
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from recbole.data.dataset import SequentialDataset
from recbole.data.interaction import Interaction
from torch import Tensor

from recbole_cl.errors import UsageError


class ListColumns(SequentialDataset):
    """RecBole's sequential dataset for presplit files, in which a line may list the items of its row."""

    inter_feat: Any
    _rest_fields: Any

    def _benchmark_presets(self) -> None:
        if self.list_column in self.inter_feat:
            super()._benchmark_presets()

    @property
    def names_items(self) -> bool:
        """Whether rows come with lists of their items, so that several rows may contain the same interaction."""
        return bool(self.benchmark_filename_list) and self.list_column in self.field2type

    @property
    def list_column(self) -> str:
        """The name of the column with item lists in presplit data."""
        return f"{self.iid_field}{self.config['LIST_SUFFIX']}"

    def items_met(self) -> Any:
        """The tokens of all items of interactions, those of lists included; before items are numbered."""
        items = self.inter_feat[self.iid_field]
        if self.benchmark_filename_list and self.list_column in self.inter_feat:
            items = pd.concat([items, self.inter_feat[self.list_column].explode()])
        return items.unique()

    def _init_alias(self) -> None:
        """Makes item lists use the same ids as items."""
        super()._init_alias()
        if self.benchmark_filename_list and self.list_column in self.inter_feat:
            if self.list_column not in self.alias["item_id"]:
                self.alias["item_id"] = np.append(self.alias["item_id"], self.list_column)
            self._rest_fields = np.setdiff1d(self._rest_fields, [self.list_column])


class Segments(NamedTuple):
    """Rows that list their items, one after another in one flat table.

    Attributes:
        flat: User and item of each position, [I]; a row's items, oldest first, then its target.
        user_start: First position of the row of each position, [I].
        end: Position of each row's target, [R].
        part: Number of the file of each row, [R].
    """

    flat: Interaction
    user_start: Tensor
    end: Tensor
    part: Tensor


def file_numbers(sizes: Sequence[int]) -> Tensor:
    """The number of the file that each line comes from, [sum of sizes]."""
    return torch.from_numpy(np.repeat(np.arange(len(sizes)), sizes))


def file_order(user: Tensor, part: Tensor, time: Tensor | None) -> Tensor:
    """Order by user, file and time: for each user, lines of the training file precede those of the other files.

    Args:
        user: Users, [I].
        part: Number of each line's file, [I].
        time: Times, [I]; None keeps the order of the file.

    Returns:
        Numbers of lines, [I].
    """
    keys = [part.numpy(), user.numpy()]
    return torch.from_numpy(np.lexsort(keys if time is None else [time.numpy(), *keys]))


def segments_of(rows: Interaction, part: Tensor, names: tuple[str, str, str, str]) -> Segments:
    """Arranges rows that list their items in one table.

    Args:
        rows: Columns of users [R], lists of items [R, W], their lengths [R] and targets [R].
        part: Number of each row's file, [R].
        names: The names of these four columns.

    Raises:
        UsageError: If all lists are empty.
    """
    user, items, length, target = (rows[name] for name in names)
    if empty := int((length == 0).sum()):
        getLogger().warning(f"{empty:,} of {len(length):,} rows left out: their list of items is empty")
    order = torch.from_numpy(np.lexsort([part.numpy(), user.numpy()]))
    order = order[length[order] > 0]
    if not len(order):
        raise UsageError(f"{names[1]}: every list of items is empty")
    user, items, length, target, part = user[order], items[order], length[order], target[order], part[order]
    padded = torch.cat((items, torch.zeros_like(target).unsqueeze(1)), dim=1)  # [R, W + 1]
    padded.scatter_(1, length.unsqueeze(1), target.unsqueeze(1))
    filled = torch.arange(padded.shape[1]) <= length.unsqueeze(1)
    end = (length + 1).cumsum(0) - 1
    flat = Interaction({names[0]: user.repeat_interleave(length + 1), names[3]: padded[filled]})
    return Segments(flat, (end - length).repeat_interleave(length + 1), end, part)


def parts_of(part: Tensor, n_files: int) -> list[Tensor]:
    """The rows for training, validation and test, by the number of each row's file.

    Args:
        part: Number of each row's file, [R].
        n_files: 3; 2: training and test; or 1: training.
    """
    number = {3: (0, 1, 2), 2: (0, None, 1), 1: (0, None, None)}[n_files]
    return [part[:0] if it is None else torch.nonzero(part == it).squeeze(1) for it in number]
