"""RecBole's filters, with what each of them removes in the log; and items that no interaction has."""

from __future__ import annotations

from itertools import product
from logging import getLogger
from typing import Any

from recbole.utils import FeatureType

from recbole_cl.config.common import INTERVALS
from recbole_cl.config.messages import refuse_unless
from recbole_cl.data.presplit import ListColumns
from recbole_cl.errors import UsageError


class FilteredDataset(ListColumns):
    """RecBole's sequential dataset whose filters say what they leave out."""

    item_feat: Any

    def _data_filtering(self) -> None:
        """RecBole's filters in RecBole's order; logs how many interactions each of them removes."""
        config = self.config
        intervals = {config[f"{what}_inter_num_interval"] for what in ("user", "item")}
        if self.dataset_name.lower().startswith(("amazon", "yelp")) and intervals <= {None, "[0,inf)"}:
            getLogger().warning(
                f"{self.dataset_name} has no settings here and no filter applies: papers keep users and items of at "
                'least 5 interactions, user_inter_num_interval and item_inter_num_interval: "[5,inf)"'
            )
        steps = {
            self._remove_duplication: f"a user has the item several times, rm_dup_inter = {config['rm_dup_inter']}",
            self._filter_by_field_value: f"outside val_interval = {config['val_interval']}",
            self._filter_inter_by_user_or_item: "their user or item is not in the .user or .item file",
            self._filter_by_inter_num: f"user_inter_num_interval = {config['user_inter_num_interval']}, "
            f"item_inter_num_interval = {config['item_inter_num_interval']}",
        }
        for step, why in steps.items():
            before = len(self.inter_feat)
            step()
            if dropped := before - len(self.inter_feat):
                getLogger().info(f"{dropped:,} of {before:,} interactions left out: {why}")
            if self.inter_feat.empty:
                raise UsageError(
                    f"nothing of {self.dataset_name} is left: its last {before:,} interactions were left out ({why}): "
                    "change that setting or file"
                )
        self._reset_index()

    def _remove_duplication(self) -> None:
        """RecBole's step, except that interactions at the same time keep the order of the file."""
        if self.config["rm_dup_inter"] is None:
            return
        if self.time_field in self.inter_feat:
            self.inter_feat = self.inter_feat.sort_values(self.time_field, kind="stable")
        pair = [self.uid_field, self.iid_field]
        self.inter_feat = self.inter_feat.drop_duplicates(pair, keep=self.config["rm_dup_inter"])

    def _filter_by_field_value(self) -> None:
        """RecBole's step, which leaves out one line, with a warning, where a column of numbers gets no interval."""
        for field, values in (self.config["val_interval"] or {}).items():
            if self.field2type.get(field) in (FeatureType.FLOAT, FeatureType.FLOAT_SEQ):
                refuse_unless(INTERVALS, f"val_interval.{field}", values)
        super()._filter_by_field_value()

    def _remap_ID_all(self) -> None:
        self._leave_out_unseen_items()
        super()._remap_ID_all()

    def _leave_out_unseen_items(self) -> None:
        """Items of the ``.item`` file without any interaction: removed, or ranked as candidates and logged.

        Items that appear only in further files, such as those of ``preload_weight``, are always removed.
        """
        others = [it for it in self.feat_name_list if it != "inter_feat"]
        aliases = product(others, self.config["alias_of_item_id"] or ())
        feats = [(name, field) for name, field in aliases if field in getattr(self, name)]
        if self.item_feat is None and not feats:
            return
        met = self.items_met()
        for name, field in feats:
            feat = getattr(self, name)
            known = feat[field].isin(met)
            known |= False if self.item_feat is None else feat[field].isin(self.item_feat[self.iid_field])
            setattr(self, name, feat[known].reset_index(drop=True))
        if self.item_feat is None:
            return
        seen = self.item_feat[self.iid_field].isin(met)
        unseen = len(seen) - int(seen.sum())
        if self.config["only_seen_items"]:
            self.item_feat = self.item_feat[seen].reset_index(drop=True)
        elif unseen:
            getLogger().warning(
                f"{unseen:,} items of {self.dataset_name}.item have no interaction and are ranked as candidates beside "
                f"{int(seen.sum()):,} others: only_seen_items: True leaves them out"
            )
