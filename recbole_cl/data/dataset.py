"""A sequential dataset that stores interactions once, and training rows as offsets into them.

Letters: I interactions, R rows, L columns.
"""

from __future__ import annotations

from logging import getLogger
from pathlib import Path
from typing import Any

import numpy as np
import torch
from recbole.data.dataset import Dataset
from recbole.data.interaction import Interaction
from recbole.utils import FeatureSource, FeatureType
from torch import Tensor

from recbole_cl.data.files.atomic import AtomicFormat, read_atomic_file
from recbole_cl.data.files.download import download_dataset
from recbole_cl.data.filtering import FilteredDataset
from recbole_cl.data.leave_one_out import left_out
from recbole_cl.data.presplit import file_numbers, file_order, parts_of, segments_of
from recbole_cl.errors import UsageError
from recbole_cl.ragged import window

ROW_START = "row_start"  # first interaction of a row's window, in the flat arrays
ROW_END = "row_end"  # the row's target; its window is row_start .. row_end - 1


class ContrastiveDataset(FilteredDataset):
    """RecBole's sequential dataset without a padded copy of every prefix.

    RecBole stores each prefix of each user as a padded row, for every loaded field. Here the interactions stay one flat
        table, sorted by user and time. A row is a pair of offsets: its window ``[start, end)``, at most
        ``MAX_ITEM_LIST_LENGTH`` items, and its target at ``end``. Splitting, filtering and ordering are RecBole's own
        code, run on these offsets. Indexing the dataset returns the requested rows exactly as RecBole would.

    Attributes:
        flat: All interactions of all splits, sorted by user and time; its fields have shape [I].
        user_start: First interaction of the user of each interaction. Shape [I].
    """

    inter_feat: Any  # a data frame during reading, then RecBole's Interaction
    item_feat: Any
    flat: Interaction
    user_start: Tensor

    def _download(self) -> None:
        download_dataset(self.dataset_name, self._get_download_url("url"), Path(self.dataset_path))

    def _load_feat(self, filepath: str, source: FeatureSource | str) -> Any:
        """Reads one of the dataset's files, checked and loaded in one parse (overrides RecBole's hook of this name)."""
        config = self.config
        load, unload = self._get_load_and_unload_col(source)
        if load == set():
            return None
        has_times = self.benchmark_filename_list is None  # presplit files may lack them
        needed = {self.uid_field: "token", self.iid_field: "token", **({self.time_field: "float"} if has_times else {})}
        if source is not FeatureSource.INTERACTION:
            ids = {FeatureSource.USER: self.uid_field, FeatureSource.ITEM: self.iid_field}
            aliases = [field for field in config["alias_of_item_id"] or () if load is not None and field in load]
            needed = dict.fromkeys([ids[source]] if source in ids else aliases, "token")
        if lacking := [it for it in needed if (load is not None and it not in load) or it in (unload or ())]:
            key, columns = ("load_col", load) if load else ("unload_col", unload)
            raise UsageError(
                f"{key}.{getattr(source, 'value', source)} = {sorted(columns)}: {lacking} must be loaded, too; "
                "USER_ID_FIELD, ITEM_ID_FIELD and TIME_FIELD name these columns"
            )
        types, frame = read_atomic_file(
            Path(filepath),
            needed,
            time_field=self.time_field if source is FeatureSource.INTERACTION else None,
            load=load,
            unload=unload or (),
            written=AtomicFormat(config["field_separator"], config["seq_separator"], config["encoding"] or "utf-8"),
        )
        for field, kind in types.items():
            length = frame[field].map(len).max() if kind.endswith("seq") else 1
            self.set_field_property(field, FeatureType(kind), source, int(length))
            if kind.startswith("float"):
                self.field2bucketnum[field] = 2  # RecBole's default
        for field in needed if len(needed) == 1 else ():
            if repeated := int(frame[field].duplicated().sum()) if field in frame else 0:
                getLogger().warning(f"{filepath}: {repeated:,} lines repeat a {field}: the first of each is kept")
        return frame if types else None

    def _remap_ID_all(self) -> None:
        """Numbers users and items as RecBole does, then sorts the interactions of each file by exact time.

        RecBole rounds times to float32 before it sorts by them; Unix times in seconds then have steps of 128. Rounding
        does not change the order of sorted times, and RecBole's sorts are stable.
        """
        super()._remap_ID_all()
        if self.time_field in self.inter_feat and self.list_column not in self.inter_feat:
            times = self.inter_feat[self.time_field]
            if not times.is_monotonic_increasing:
                sizes = self.file_size_list if self.benchmark_filename_list else [len(times)]
                self.inter_feat = self.inter_feat.iloc[np.lexsort((times.to_numpy(), file_numbers(sizes).numpy()))]
                self.inter_feat = self.inter_feat.reset_index(drop=True)

    def _normalize(self) -> None:
        super()._normalize()
        if self.time_field in self.inter_feat:
            self.inter_feat[self.time_field] = self.inter_feat[self.time_field].astype(np.float64)  # RecBole's type

    def _preload_weight_matrix(self) -> None:
        for field in (self.config["preload_weight"] or {}).values():
            if field in self.field2type and self.field2type[field] == FeatureType.FLOAT_SEQ:
                sizes = sorted(set(self.field2feats(field)[0][field].map(len)))
                if len(sizes) > 1:
                    raise UsageError(f"preload_weight: {field} has {sizes[0]} to {sizes[-1]} values: expected one size")
        super()._preload_weight_matrix()

    def _change_feat_format(self) -> None:
        if self.benchmark_filename_list is None:
            return super()._change_feat_format()
        Dataset._change_feat_format(self)
        part = file_numbers(self.file_size_list)
        if self.list_column in self.inter_feat:
            return self._lay_out_lists(part)
        time = self.inter_feat.interaction.get(self.time_field)
        order = file_order(self.inter_feat[self.uid_field], part, time)
        self.inter_feat = take_rows(self.inter_feat, order)
        self._make_rows()
        self._part = part[order][self.inter_feat[ROW_END]]

    def _lay_out_lists(self, part: Tensor) -> None:
        """For rows with lists of their items: each row is its own history."""
        names = (self.uid_field, self.list_column, self.item_list_length_field, self.iid_field)
        self.flat, self.user_start, end, self._part = segments_of(self.inter_feat, part, names)
        start = torch.maximum(self.user_start[end], end - self.max_item_list_len)
        self.inter_feat = take_rows(self.flat, end)
        self.inter_feat.update(Interaction({ROW_START: start, ROW_END: end, self.item_list_length_field: end - start}))

    def build(self) -> list[ContrastiveDataset]:
        """Splits the data as RecBole does; presplit data by file; or not at all, if all data are for training.

        Returns:
            The training, validation and test parts; each of the last two may be empty.
        """
        everything = self.config["train_on"] == "all"
        if not everything and self.benchmark_filename_list is None:
            split: list[ContrastiveDataset] = super().build()
            return split
        self._change_feat_format()
        self._drop_unused_col()
        n_rows = len(self.inter_feat)
        files = torch.zeros(n_rows, dtype=torch.long) if everything else self._part
        parts = parts_of(files, 1 if everything else len(self.benchmark_filename_list))
        return [self.copy(take_rows(self.inter_feat, part)) for part in parts]

    def data_augmentation(self) -> None:
        """Makes one row, as offsets, per interaction that has a predecessor (overrides RecBole's hook of this name)."""
        self._check_field("uid_field", "time_field")
        self.sort(by=[self.uid_field, self.time_field], ascending=True)
        self._make_rows()

    def _make_rows(self) -> None:
        self._aug_presets()
        users = self.inter_feat[self.uid_field].numpy()
        place = np.arange(len(users))
        is_first = np.r_[True, users[1:] != users[:-1]] if len(users) else np.zeros(0, dtype=bool)
        first = np.maximum.accumulate(np.where(is_first, place, 0))
        target = place[~is_first]
        start = np.maximum(first[target], target - self.max_item_list_len)
        self.flat = self.inter_feat
        self.user_start = torch.from_numpy(first)
        rows = take_rows(self.inter_feat, torch.from_numpy(target))
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

    def leave_one_out(self, group_by: str, leave_one_mode: str) -> list[ContrastiveDataset]:
        """RecBole's split in RecBole's order (users as they first appear), without a Python list entry per row.

        Args:
            group_by: The column of users.
            leave_one_mode: As for ``left_out``.

        Returns:
            The training, validation and test part.
        """
        parts = left_out(self.inter_feat[group_by].numpy(), leave_one_mode)
        self._drop_unused_col()
        return [self.copy(take_rows(self.inter_feat, part)) for part in parts]

    def of_first_users(self, share: float) -> ContrastiveDataset:
        """The rows of the first users in the file, which have the lowest ids.

        Args:
            share: Share of the users, in (0, 1]; rounded down to whole users.
        """
        if share == 1:
            return self
        last = int(share * (self.user_num - 1) + 1e-9)
        some: ContrastiveDataset = self.copy(self.inter_feat[self.inter_feat[self.uid_field] <= last])
        return some

    def __getitem__(self, index: object, join: bool = True) -> Interaction:
        """Returns rows as RecBole's padded interactions: the row's fields, and a list field for each of them.

        Args:
            index: Row number, slice, or array of row numbers.
            join: Whether to join user and item features, as in RecBole.

        Returns:
            Interaction with list fields of shape [n, L], padded with 0 on the right.
        """
        rows = self.written_out(index)
        return self.join(rows) if join else rows

    def written_out(self, index: object) -> Interaction:
        """The same, without features of users and items."""
        rows = self.inter_feat[index]
        if ROW_START not in rows:
            return rows
        start, end = rows[ROW_START], rows[ROW_END]
        fields = {name: value for name, value in rows.interaction.items() if name not in (ROW_START, ROW_END)}
        for name in self.flat.interaction:
            if name != self.uid_field:
                list_field = getattr(self, f"{name}_list_field")
                fields[list_field] = window(self.flat[name], start, end, self.max_item_list_len)
        return Interaction(fields)


def take_rows(rows: Interaction, index: Tensor) -> Interaction:
    """The rows with the given numbers; RecBole's own indexing makes a Python list of these first."""
    return Interaction({name: values[index] for name, values in rows.interaction.items()})
