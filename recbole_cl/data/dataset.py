"""A sequential dataset that keeps interactions once, and training rows as offsets into them.

Letters: I interactions, R rows, L columns.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from recbole.data.dataset import SequentialDataset
from recbole.data.interaction import Interaction
from recbole.utils import FeatureSource, FeatureType
from torch import Tensor

from recbole_cl.data.files.atomic import read_atomic_file
from recbole_cl.data.files.download import download_dataset
from recbole_cl.errors import UsageError
from recbole_cl.ragged import window

ROW_START = "row_start"  # first interaction of a row's window, in the flat arrays
ROW_END = "row_end"  # the row's target; its window is row_start .. row_end - 1


class ContrastiveDataset(SequentialDataset):
    """RecBole's sequential dataset without a padded copy of every prefix.

    RecBole writes each prefix of each user out as a padded row, for every loaded field. Here the interactions stay
    one flat table, sorted by user and time, and a row is a pair of offsets: its window ``[start, end)``, at most
    ``MAX_ITEM_LIST_LENGTH`` items, and its target at ``end``. Splitting, filtering and order are RecBole's own code,
    run on these offsets; indexing the dataset writes the asked-for rows out exactly as RecBole would.

    Attributes:
        flat: All interactions of all splits, sorted by user and time; its fields have shape [I].
        user_start: First interaction of the user of each interaction. Shape [I].
    """

    inter_feat: Any  # a data frame while it is read, then RecBole's Interaction
    flat: Interaction
    user_start: Tensor

    def _download(self) -> None:
        download_dataset(self.dataset_name, self._get_download_url("url"), Path(self.dataset_path))

    def _load_feat(self, filepath: str, source: FeatureSource | str) -> Any:
        """Reads interactions, checked and loaded in one parse; RecBole reads features of users and items."""
        if source is not FeatureSource.INTERACTION:
            return super()._load_feat(filepath, source)
        config = self.config
        load, unload = self._get_load_and_unload_col(source)
        types, frame = read_atomic_file(
            Path(filepath),
            *(self.uid_field, self.iid_field, self.time_field),
            load=load,
            unload=unload or (),
            scaled_times=bool(config["normalize_all"] or self.time_field in (config["normalize_field"] or [])),
            separator=config["field_separator"],
            sequence_separator=config["seq_separator"],
            encoding=config["encoding"] or "utf-8",
        )
        for field, kind in types.items():
            length = frame[field].map(len).max() if kind.endswith("seq") else 1
            self.set_field_property(field, FeatureType(kind), source, int(length))
            if kind.startswith("float"):
                self.field2bucketnum[field] = 2  # RecBole's default
        return frame if types else None

    def _reset_index(self) -> None:
        if self.inter_feat.empty:
            raise UsageError(
                f"nothing of {self.dataset_name} passes its filters: lower user_inter_num_interval and "
                "item_inter_num_interval, or widen val_interval"
            )
        super()._reset_index()

    def data_augmentation(self) -> None:
        """Makes one row per interaction that has a predecessor, as offsets (RecBole's hook of that name)."""
        self._aug_presets()
        self._check_field("uid_field", "time_field")
        self.sort(by=[self.uid_field, self.time_field], ascending=True)
        users = self.inter_feat[self.uid_field].numpy()
        place = np.arange(len(users))
        is_first = np.r_[True, users[1:] != users[:-1]] if len(users) else np.zeros(0, dtype=bool)
        first = np.maximum.accumulate(np.where(is_first, place, 0))
        target = place[~is_first]
        start = np.maximum(first[target], target - self.max_item_list_len)
        self.flat = self.inter_feat
        self.user_start = torch.from_numpy(first)
        rows = self.inter_feat[target]
        rows.update(
            Interaction(
                {
                    ROW_START: torch.from_numpy(start),
                    ROW_END: torch.from_numpy(target),
                    self.item_list_length_field: torch.from_numpy(target - start),
                }
            )
        )
        self.inter_feat = rows

    def __getitem__(self, index: object, join: bool = True) -> Interaction:
        """Writes rows out as RecBole's padded interactions: the row's fields, and a list field for each of them.

        Args:
            index: Row number, slice, or array of row numbers.
            join: Whether to join user and item features, as in RecBole.

        Returns:
            Interaction with list fields of shape [n, L], padded with 0 on the right.
        """
        rows = self.inter_feat[index]
        if ROW_START not in rows:
            return self.join(rows) if join else rows
        start, end = rows[ROW_START], rows[ROW_END]
        fields = {name: value for name, value in rows.interaction.items() if name not in (ROW_START, ROW_END)}
        for name in self.flat.interaction:
            if name != self.uid_field:
                list_field = getattr(self, f"{name}_list_field")
                fields[list_field] = window(self.flat[name], start, end, self.max_item_list_len)
        return self.join(Interaction(fields)) if join else Interaction(fields)
