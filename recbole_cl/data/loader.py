"""The training loader: windows, anchors and the fields drawn by hooks, as batched tensor operations on the host.

Letters: B rows of a batch, L columns, A anchors, T targets of a batch, R training rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from recbole_cl.batch import ANCHOR_LENGTH, ANCHOR_ROW, HOOK_PREFIX, NEXT_PREFIX, TARGET_PLACE, Rows
from recbole_cl.data.anchors import draw_anchors
from recbole_cl.data.dataset import ContrastiveDataset
from recbole_cl.data.hooks import HookFactory
from recbole_cl.data.hosted import HostedInteraction
from recbole_cl.data.rows import require_rows, rows_of, sequence_rows
from recbole_cl.errors import UsageError
from recbole_cl.host import HostLengths, send
from recbole_cl.ragged import places_of_items, window


@dataclass(frozen=True)
class LoaderSettings:
    """Settings of a training loader.

    Attributes:
        train_form: ``prefix``: one row per prefix, its target at the end. ``sequence``: one row per user (or window
            of a long user), targets at every position.
        batch_size: Rows per batch, at least 1; the last batch may be smaller.
        shuffle: Whether each epoch visits the rows in a new random order.
        hooks: Fields to draw for each anchor, by name: see ``data/hooks.py``.
        anchors_per_row: In the sequence form: number of prefixes per row drawn for contrastive terms; 0: the whole row,
            without drawing.
        anchor_draw: How they are drawn: see ``data/anchors.py``.
        seed: Seed of the loader's generator.
        device: Device that batches are sent to.
    """

    train_form: str
    batch_size: int
    shuffle: bool
    hooks: Mapping[str, HookFactory]
    anchors_per_row: int
    anchor_draw: str
    seed: int
    device: torch.device


class TrainLoader:
    """Iterates over the training rows of a split, yielding RecBole ``Interaction`` batches.

    Fields of a batch: user, item list [B, L] (L: ``MAX_ITEM_LIST_LENGTH``), its length [B], target [B]; and the fields
    named in ``recbole_cl.batch``, depending on the settings. The flat item array, the offsets and the indices are on
    the host. So the host knows all lengths before a device does, and draws the same batches for all devices. They are
    never modified: the rows of every batch are new tensors.

    Args:
        dataset: The training split.
        settings: What to deliver.

    Attributes:
        dataset: The training split, for RecBole's collector.
        generator: Source of order, anchors and positives; its state is saved in checkpoints.

    Raises:
        UsageError: If the split has no rows, or none of the requested form.
    """

    def __init__(self, dataset: ContrastiveDataset, settings: LoaderSettings) -> None:
        self.dataset = dataset
        self.settings = settings
        self.shuffle = settings.shuffle
        self.generator = torch.Generator().manual_seed(settings.seed)
        if settings.train_form == "sequence" and dataset.names_items:
            raise UsageError("train_form = sequence: these data come as prefixes with lists of items; set it to prefix")
        self.prefixes = require_rows(rows_of(dataset), "training")
        self.rows = self.prefixes if settings.train_form == "prefix" else sequence_rows(self.prefixes)
        self._hooks = {name: build(self.prefixes) for name, build in settings.hooks.items()}
        self._list_field = getattr(dataset, f"{dataset.iid_field}_list_field")
        self._length_field = dataset.item_list_length_field

    @property
    def n_rows(self) -> int:
        """Number of rows in an epoch."""
        return len(self.rows)

    @property
    def train_form(self) -> str:
        """The form of the rows."""
        return self.settings.train_form

    def __len__(self) -> int:
        """Number of batches in an epoch."""
        return -(-len(self.rows) // self.settings.batch_size)

    def __iter__(self) -> Iterator[HostedInteraction]:
        n_rows = len(self.rows)
        order = torch.randperm(n_rows, generator=self.generator) if self.shuffle else torch.arange(n_rows)
        for index in order.split(self.settings.batch_size):
            yield self.batch(index)

    def batch(self, index: Tensor) -> HostedInteraction:
        """Builds the batch of the rows with the given numbers, with all fields that the settings ask for.

        Args:
            index: Row numbers, [B], on the host.

        Returns:
            The batch; its copy to the device may still be in progress.
        """
        rows = self.rows
        start, end = rows.start[index], rows.end[index]
        fields = {
            self.dataset.uid_field: rows.user[index],
            self.dataset.iid_field: rows.items[end],
            self._length_field: end - start,
            self._list_field: window(rows.items, start, end, rows.width),
        }
        anchor = end  # flat positions of the targets that contrastive terms use
        if self.settings.train_form == "sequence":
            fields[NEXT_PREFIX + self._list_field] = window(rows.items, start + 1, end + 1, rows.width)
            fields[TARGET_PLACE] = place = places_of_items(end - start, rows.width)
            how, n_per_row = self.settings.anchor_draw, self.settings.anchors_per_row
            prefixes = draw_anchors(how, end - start, place, rows.width, n_per_row, self.generator)
            fields[ANCHOR_ROW], fields[ANCHOR_LENGTH] = prefixes
            anchor = start[prefixes.row] + prefixes.length
        if self._hooks:
            fields.update(self._drawn(anchor))
        lengths = {name: HostLengths(it.numpy()) for name, it in fields.items() if self._holds_lengths(name)}
        return HostedInteraction({name: send(it, self.settings.device) for name, it in fields.items()}, lengths)

    def _holds_lengths(self, name: str) -> bool:
        hooks = [f"{HOOK_PREFIX}{hook}_{self._length_field}" for hook in self._hooks]
        return name in (self._length_field, ANCHOR_LENGTH, *hooks)

    def _drawn(self, anchor: Tensor) -> dict[str, Tensor]:
        """The fields that the hooks draw for the targets at the given positions."""
        row = torch.searchsorted(self.prefixes.end, anchor)  # the prefix row with its target at that position
        fields: dict[str, Tensor] = {}
        for name, hook in self._hooks.items():
            drawn = hook.draw(row, self.generator)
            if isinstance(drawn, Rows):
                fields[f"{HOOK_PREFIX}{name}_{self._list_field}"] = drawn.item_seq
                fields[f"{HOOK_PREFIX}{name}_{self._length_field}"] = drawn.seq_len
            else:
                fields[HOOK_PREFIX + name] = drawn
        return fields
