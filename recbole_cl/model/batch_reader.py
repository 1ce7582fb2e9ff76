"""Converts RecBole's batches to the form that the methods use.

Letters: B rows, L columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from recbole.data.interaction import Interaction
from torch import Tensor

from recbole_cl.batch import (
    ANCHOR_LENGTH,
    ANCHOR_ROW,
    HOOK_PREFIX,
    NEXT_PREFIX,
    ROW_ID,
    TARGET_PLACE,
    Batch,
    Prefixes,
    Rows,
)
from recbole_cl.data.hooks import HookFactory
from recbole_cl.data.training_rows import PaddedRows, training_rows
from recbole_cl.host import HostLengths


@dataclass(frozen=True)
class Fields:
    """RecBole's names for the fields that a model reads.

    Attributes:
        item_seq: The item list.
        seq_len: Its length.
        item: The target.
        user: The user.
    """

    item_seq: str
    seq_len: str
    item: str
    user: str


class BatchReader:
    """Converts a RecBole ``Interaction`` to a ``Batch``.

    Our loader runs the model's hooks. A plain RecBole script does not, so there the reader runs them on the training
    split that the model was built with, and adds row numbers to that split.

    Args:
        fields: Names of the fields.
        hooks: The model's hooks, by name.
        dataset: Its training split.
        seed: Seed for the hooks in a plain RecBole script.
    """

    def __init__(self, fields: Fields, hooks: Mapping[str, HookFactory], dataset: Any, seed: int) -> None:
        self._fields = fields
        self._hook_names = tuple(hooks)
        self._plain = None
        rows = training_rows(dataset, whole=False) if hooks else None
        if isinstance(rows, PaddedRows):
            features = dataset.inter_feat
            self._plain = {name: build(rows) for name, build in hooks.items()}
            self._generator = torch.Generator().manual_seed(seed)
            features.update(Interaction({ROW_ID: torch.arange(len(features))}))

    def __call__(self, interaction: Interaction) -> Batch:
        """Reads a batch."""
        fields, names = interaction.interaction, self._fields
        host = getattr(interaction, "lengths", {})
        return Batch(
            item_seq=fields[names.item_seq],
            seq_len=fields[names.seq_len],
            target=fields[names.item],
            next_items=fields.get(NEXT_PREFIX + names.item_seq),
            anchor_prefixes=Prefixes(fields[ANCHOR_ROW], fields[ANCHOR_LENGTH]) if ANCHOR_ROW in fields else None,
            extra=self._drawn_here(fields) if ROW_ID in fields else self._drawn_by_the_loader(fields, host),
            target_place=fields.get(TARGET_PLACE),
            host=host.get(names.seq_len),
            anchor_host=host.get(ANCHOR_LENGTH),
        )

    def _drawn_by_the_loader(
        self, fields: Mapping[str, Tensor], host: Mapping[str, HostLengths]
    ) -> dict[str, Rows | Tensor]:
        drawn: dict[str, Rows | Tensor] = {}
        for name in self._hook_names:
            own = HOOK_PREFIX + name
            if (items := f"{own}_{self._fields.item_seq}") in fields:
                length = f"{own}_{self._fields.seq_len}"
                drawn[name] = Rows(fields[items], fields[length], host=host.get(length))
            elif own in fields:
                drawn[name] = fields[own]
        return drawn

    def _drawn_here(self, fields: Mapping[str, Tensor]) -> dict[str, Rows | Tensor]:
        device = fields[self._fields.item_seq].device
        drawn: dict[str, Rows | Tensor] = {}
        for name, hook in (self._plain or {}).items():
            value = hook.draw(fields[ROW_ID].cpu(), self._generator)
            if isinstance(value, Rows):
                drawn[name] = Rows(value.item_seq.to(device), value.seq_len.to(device))
            else:
                drawn[name] = value.to(device)
        return drawn
