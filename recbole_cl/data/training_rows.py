"""The training rows for models that read them directly: ours, or RecBole's padded ones in a plain RecBole script.

Letters: R rows, L columns, B drawn rows.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from recbole_cl.batch import Rows
from recbole_cl.data.dataset import ContrastiveDataset
from recbole_cl.data.hooks import TrainingRows
from recbole_cl.data.rows import rows_of, sequence_rows


class PaddedRows:
    """RecBole's padded rows as ``TrainingRows``.

    Args:
        item_seq: The rows. Shape [R, L].
        seq_len: Their lengths. Shape [R].
        target: The target of each row. Shape [R].
        user: The user of each row. Shape [R].
    """

    def __init__(self, item_seq: Tensor, seq_len: Tensor, target: Tensor, user: Tensor) -> None:
        self.target, self.user = target, user
        self._item_seq, self._seq_len = item_seq, seq_len

    def take(self, row: Tensor) -> Rows:
        """The rows with the given numbers: [B] -> [B, L] rows."""
        return Rows(self._item_seq[row], self._seq_len[row])


def training_rows(dataset: Any, *, whole: bool) -> TrainingRows | None:
    """The rows of a training split.

    Args:
        dataset: The training split, ours or RecBole's.
        whole: Whether to return one row per user (or window of a long user) instead of one per prefix. RecBole's split
            has only prefixes.

    Returns:
        The rows, which share the split's tensors; None if the split has none, such as the placeholder datasets of tests
            and benchmarks.
    """
    features = getattr(dataset, "inter_feat", None)
    if features is None:
        return None
    if isinstance(dataset, ContrastiveDataset):
        prefixes = rows_of(dataset)
        return sequence_rows(prefixes) if whole else prefixes
    item, length = dataset.iid_field, dataset.item_list_length_field
    items = features[item + dataset.config["LIST_SUFFIX"]]
    return PaddedRows(items, features[length], features[item], features[dataset.uid_field])
