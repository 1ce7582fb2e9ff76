"""A training batch as models see it: typed tensors instead of field names.

Letters: B rows, L columns, K anchors per row, T targets.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from recbole_cl.encoder.packing import Rows


@dataclass(frozen=True)
class Batch:
    """Training rows, their targets, and what the loader added to them.

    A method written against ``supervised``, ``anchors`` and ``same_target`` works in both training forms.

    Attributes:
        item_seq: Item ids, oldest first, 0 beyond the length. Shape [B, L].
        seq_len: Lengths, 1..L. Shape [B].
        target: Item after the row's last one. Shape [B].
        next_items: Target at every position (sequence form), 0 beyond the length. Shape [B, L]; None in the prefix
            form.
        anchor_length: Prefix lengths at which contrastive terms look (sequence form). Shape [B, K]; None in the
            prefix form.
        same_target: A training row with the same target, for each anchor. [B * K, L] rows; None if not asked for.
        target_place: Flat places in [B, L] of the items that have a target (sequence form), row after row. Shape [T];
            without them the host waits for the device to count the targets.
    """

    item_seq: Tensor
    seq_len: Tensor
    target: Tensor
    next_items: Tensor | None = None
    anchor_length: Tensor | None = None
    same_target: Rows | None = None
    target_place: Tensor | None = None

    @property
    def supervised(self) -> Rows:
        """Rows whose outputs the recommendation loss needs: all positions in the sequence form, else the last."""
        return Rows(self.item_seq, self.seq_len, self.next_items is not None, places=self.target_place)

    @property
    def supervised_target(self) -> Tensor:
        """Targets of the outputs of ``supervised``, row after row. Shape [T]; T is B in the prefix form."""
        return self.target if self.next_items is None else self.at_targets(self.next_items)

    def at_targets(self, values: Tensor) -> Tensor:
        """Picks what belongs to the items that have a target (sequence form), row after row: [B, L] -> [T]."""
        if self.target_place is None:
            return values[_columns(values) < self.seq_len.unsqueeze(-1)]
        return values.flatten().index_select(0, self.target_place)

    @property
    def anchors(self) -> Rows:
        """The prefixes that contrastive terms compare: the rows themselves in the prefix form. [B * K] rows."""
        if self.anchor_length is None:
            return Rows(self.item_seq, self.seq_len)
        length = self.anchor_length.flatten()
        item_seq = self.item_seq.repeat_interleave(self.anchor_length.shape[1], dim=0)
        return Rows(item_seq * (_columns(item_seq) < length.unsqueeze(-1)), length)

    def at_anchors(self, hidden: Tensor) -> Tensor:
        """Picks the anchors' outputs out of those of ``supervised``.

        Args:
            hidden: Encoder outputs of ``supervised``. Shape [T, D].

        Returns:
            Outputs at the anchors. Shape [B * K, D].
        """
        if self.anchor_length is None:
            return hidden
        row_start = self.seq_len.cumsum(0) - self.seq_len
        return hidden.index_select(0, (row_start.unsqueeze(-1) + self.anchor_length - 1).flatten())

    @property
    def anchor_target(self) -> Tensor:
        """Item that follows each anchor. Shape [B * K]."""
        if self.anchor_length is None or self.next_items is None:
            return self.target
        return self.next_items.gather(1, self.anchor_length - 1).flatten()


def _columns(item_seq: Tensor) -> Tensor:
    return torch.arange(item_seq.shape[1], device=item_seq.device)
