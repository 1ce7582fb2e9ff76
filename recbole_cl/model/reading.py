"""The thin layer between RecBole and the methods: settings by key, batches by field name.

Letters: B rows, L columns, K anchors per row, R training rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from recbole.data.interaction import Interaction
from torch import Tensor

from recbole_cl.batch import Batch
from recbole_cl.config.presets import model_defaults
from recbole_cl.config.settings import declared_checks
from recbole_cl.data.same_target import SameTargetIndex
from recbole_cl.encoder.packing import Rows
from recbole_cl.fields import ANCHOR_LENGTH, NEXT_PREFIX, ROW_ID, SAME_TARGET_PREFIX, TARGET_PLACE

if TYPE_CHECKING:
    from recbole_cl.model.base import ContrastiveRecommender


def read_options(config: Any, model_class: type) -> dict[str, Any]:
    """Values of the settings that a model declares, checked.

    RecBole's own ``Config`` does not read our YAML files, so a key that it lacks takes the value of the model's YAML:
    a model of ours runs in a plain RecBole script.

    Args:
        config: RecBole's or our ``Config``.
        model_class: The model.

    Returns:
        Key -> value for every declared setting.

    Raises:
        UsageError: If a value is out of range.
    """
    defaults = model_defaults(model_class)
    options = {}
    for key, check in declared_checks(model_class).items():
        options[key] = defaults.get(key) if config[key] is None else config[key]
        check.check(key, options[key])
    return options


class BatchReader:
    """Turns a RecBole ``Interaction`` into a ``Batch``.

    Our loader supplies same-target positives. In a plain RecBole script nobody does, so the reader then keeps an
    index over the training split that the model was built with, and marks that split's rows with their numbers.

    Args:
        model: The model; its field names are used.
        dataset: Its training split.
    """

    def __init__(self, model: ContrastiveRecommender, dataset: Any) -> None:
        self.item_seq, self.seq_len, self.item = model.ITEM_SEQ, model.ITEM_SEQ_LEN, model.POS_ITEM_ID
        self._plain = None
        features = getattr(dataset, "inter_feat", None)
        if model.needs_same_target and features is not None and self.item_seq in features:
            self._plain = PlainPositives(features, self, model.generator)

    def __call__(self, interaction: Interaction) -> Batch:
        """Reads a batch."""
        fields: Mapping[str, Tensor] = interaction.interaction
        next_items, positives = NEXT_PREFIX + self.item_seq, SAME_TARGET_PREFIX + self.item_seq
        same_target = None
        if positives in fields:
            same_target = Rows(fields[positives], fields[SAME_TARGET_PREFIX + self.seq_len])
        elif self._plain is not None:
            same_target = self._plain.draw(fields[ROW_ID])
        return Batch(
            item_seq=fields[self.item_seq],
            seq_len=fields[self.seq_len],
            target=fields[self.item],
            next_items=fields.get(next_items),
            anchor_length=fields.get(ANCHOR_LENGTH),
            same_target=same_target,
            target_place=fields.get(TARGET_PLACE),
        )


class PlainPositives:
    """Same-target positives from the padded training rows of a plain RecBole script.

    Args:
        features: Interactions of RecBole's training split; gets a field with the rows' numbers.
        reader: Knows the field names.
        generator: Source of the draws.
    """

    def __init__(self, features: Interaction, reader: BatchReader, generator: torch.Generator) -> None:
        self._item_seq, self._seq_len = features[reader.item_seq], features[reader.seq_len]
        features.update(Interaction({ROW_ID: torch.arange(len(features))}))
        self._index = SameTargetIndex(features[reader.item])
        self._generator = torch.Generator().manual_seed(generator.initial_seed())

    def draw(self, row: Tensor) -> Rows:
        """A training row with the same target, for each row number; [B] -> [B, L] rows on the device of ``row``."""
        drawn = self._index.draw(row.cpu(), self._generator)
        return Rows(self._item_seq[drawn].to(row.device), self._seq_len[drawn].to(row.device))
