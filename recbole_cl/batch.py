"""Rows of item ids, and a training batch in the form that models use: typed tensors instead of field names.

Letters: B rows, L columns, A anchors, T targets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from torch import Tensor

from recbole_cl.errors import UsageError
from recbole_cl.host import HostLengths
from recbole_cl.ragged import offsets, places_of_items, real_items

# Names of the batch fields that our loader adds to RecBole's; a batch is a RecBole ``Interaction`` until a model reads
# it. ``<list>`` stands for RecBole's item-list field, by default ``item_id_list``. Tensors drawn by a hook of the model
# are in hook_<name>; rows are in hook_<name>_<list> and hook_<name>_<length field>.
HOOK_PREFIX = "hook_"
NEXT_PREFIX = "next_"  # + <list>: the target at every position, in the sequence form
# The prefixes that contrastive terms use, in the sequence form: [A] rows of the batch, and [A] lengths.
ANCHOR_ROW, ANCHOR_LENGTH = "anchor_row", "anchor_length"
ANCHOR_DRAWS = ("per_row", "per_target")  # how they are drawn: see ``data/anchors.py``
TARGET_PLACE = "target_place"  # [T]: flat positions in [B, L] of the items that have a target, in the sequence form
ROW_ID = "training_row"  # [B]: index of a row in the training set, in a plain RecBole script

Wanted = Literal["last", "items", "columns"]


class Rows(NamedTuple):
    """Right-padded rows of item ids, and the positions at which an encoder's output is wanted.

    Attributes:
        item_seq: Item ids, oldest first, 0 after the end of the row. Shape [B, L].
        seq_len: True lengths, 1..L. Shape [B].
        wanted: Which outputs: ``last``, the one at each row's last item; ``items``, those at all items, row after row;
            ``columns``, those at all L columns, with the row moved to their right end, as in left-padded code (CoSeRec,
            SRMA). Padding is then encoded like items; see ``Group.barred`` in ``encoder/packing``.
        holes: Whether id 0 may occur among the row's items; it is padding there, and ignored.
        places: Flat positions of the real items in [B, L], row after row, [T], if known: then the host need not wait
            for the device to count them.
        host: Host copies or bounds of the lengths; None if unknown.
    """

    item_seq: Tensor
    seq_len: Tensor
    wanted: Wanted = "last"
    holes: bool = False
    places: Tensor | None = None
    host: HostLengths | None = None

    def item_places(self) -> Tensor:
        """Flat positions of the real items in [B, L], row after row, [T].

        The host waits for the device to count them, unless it knows the lengths or the rows contain the positions.
        """
        if self.places is not None:
            return self.places
        n_items = None if self.host is None else self.host.total
        return places_of_items(self.seq_len, self.item_seq.shape[1], n_items)


class Prefixes(NamedTuple):
    """Prefixes of a batch's rows.

    Attributes:
        row: The row of each prefix, 0..B-1. Shape [A].
        length: Number of its items, 1 up to the row's length. Shape [A].
    """

    row: Tensor
    length: Tensor


@dataclass(frozen=True)
class Batch:
    """Training rows, their targets, and the fields that the loader added to them.

    A method that uses only ``supervised``, ``anchors`` and ``extra`` works in both training forms.

    Attributes:
        item_seq: Item ids, oldest first, 0 after the end of the row. Shape [B, L].
        seq_len: Lengths, 1..L. Shape [B].
        target: The next item after the row's last one. Shape [B].
        next_items: Target at every position (sequence form), 0 after the end of the row. Shape [B, L]; None in the
            prefix form.
        anchor_prefixes: The prefixes that contrastive terms use (sequence form); None: the rows themselves.
        extra: The output of each of the model's hooks for the anchors, by the hook's name: [A, L] rows, or a tensor [A,
            ...].
        target_place: Flat positions in [B, L] of the items that have a target (sequence form), row after row. Shape
            [T]; without them the host waits for the device to count the targets.
        host: Host copies or bounds of the rows' lengths; None if unknown.
        anchor_host: The same for the anchor prefixes.
    """

    item_seq: Tensor
    seq_len: Tensor
    target: Tensor
    next_items: Tensor | None = None
    anchor_prefixes: Prefixes | None = None
    extra: Mapping[str, Rows | Tensor] = field(default_factory=dict)
    target_place: Tensor | None = None
    host: HostLengths | None = None
    anchor_host: HostLengths | None = None

    def rows(self, name: str) -> Rows:
        """The rows that the hook of this name drew.

        Raises:
            UsageError: If there is no such hook, or it draws a tensor.
        """
        drawn = self.extra.get(name)
        if not isinstance(drawn, Rows):
            raise UsageError(f"batch.rows({name!r}): no hook of that name drew rows; name one in batch_hooks")
        return drawn

    @property
    def supervised(self) -> Rows:
        """Rows whose outputs the recommendation loss needs: all items in the sequence form, else the last."""
        wanted: Wanted = "last" if self.next_items is None else "items"
        return Rows(self.item_seq, self.seq_len, wanted, places=self.target_place, host=self.host)

    @property
    def supervised_target(self) -> Tensor:
        """Targets of the outputs of ``supervised``, row after row. Shape [T]; T is B in the prefix form."""
        return self.target if self.next_items is None else self.at_targets(self.next_items)

    def at_targets(self, values: Tensor) -> Tensor:
        """Selects the values of items that have a target (sequence form), row after row: [B, L] -> [T]."""
        if self.target_place is None:
            return values[real_items(values, self.seq_len)]
        return values.flatten().index_select(0, self.target_place)

    @property
    def anchors(self) -> Rows:
        """The prefixes that contrastive terms compare: the rows themselves in the prefix form. [A] rows."""
        if self.anchor_prefixes is None:
            return Rows(self.item_seq, self.seq_len, host=self.host)
        row, length = self.anchor_prefixes
        item_seq = self.item_seq.index_select(0, row)
        return Rows(item_seq * real_items(item_seq, length), length, host=self.anchor_host)

    def at_anchors(self, hidden: Tensor) -> Tensor:
        """Selects the anchors' outputs from those of ``supervised``.

        If positions are counted from the newest item, these differ from the outputs of encoding the anchors separately:
        see ``ContrastiveRecommender.encode_views``.

        Args:
            hidden: Encoder outputs of ``supervised``. Shape [T, D].

        Returns:
            Outputs at the anchors. Shape [A, D].
        """
        if self.anchor_prefixes is None:
            return hidden
        row, length = self.anchor_prefixes
        return hidden.index_select(0, offsets(self.seq_len)[row] + length - 1)

    @property
    def anchor_target(self) -> Tensor:
        """The next item after each anchor. Shape [A]."""
        if self.anchor_prefixes is None or self.next_items is None:
            return self.target
        row, length = self.anchor_prefixes
        return self.next_items[row, length - 1]
