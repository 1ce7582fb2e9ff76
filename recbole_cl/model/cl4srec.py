"""CL4SRec: contrast between two augmentations of a sequence."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor

from recbole_cl.augmentation import Operator, crop, draw_two_views, mask, reorder
from recbole_cl.batch import Batch
from recbole_cl.config.checks import Check, Choice, Number
from recbole_cl.encoder.packing import Rows
from recbole_cl.loss.info_nce import info_nce
from recbole_cl.model.contrast.complement import ComplementedRecommender
from recbole_cl.model.contrast.diagnostics import ViewGeometry
from recbole_cl.model.contrast.pairs import Encode, ViewPairs

RATIOS: Mapping[str, Check] = {f"{name}_ratio": Number(low=0, high=1) for name in ("crop", "mask", "reorder")}


class CL4SRec(ComplementedRecommender):
    r"""Two views of every sequence, by two different operators out of crop, mask and reorder.

    .. math:: L = L_{rec} + \lambda\, NCE(h^{a_i}, h^{a_j})

    Reference:
        Xie, Sun, Liu et al., "Contrastive Learning for Sequential Recommendation", ICDE 2022, Eq. 2-9.

    Note:
        The authors released no code. Details follow the re-implementation in the DuoRec repository, but for its
        loader, which writes masks and reorderings into its own training data, and so into the row that the
        recommendation loss sees in that very step: here views are copies.
    """

    has_mask_token = True
    settings: ClassVar[Mapping[str, Check]] = {
        **RATIOS,
        "similarity": Choice("dot", "cosine"),
        "temperature": Number(low=0, open_low=True),
        "contrastive_weight": Number(low=0),
    }

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        self.operators = cl4srec_operators(self.options, self.mask_id)
        self.geometry = ViewGeometry()

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        hidden, pairs, rows_b = cl4srec_pairs(self.operators, batch, self.encode, self.generator)
        loss = partial(info_nce, temperature=self.options["temperature"], similarity=self.options["similarity"])
        z_a, z_b = pairs["contrastive"]
        self.geometry.look_at(z_a, z_b)
        nce = self.contrast_views(loss, z_a, z_b, rows_b["contrastive"], batch.anchors)
        return {
            "recommendation": self.recommendation_loss(hidden, batch.supervised_target, batch),
            "contrastive": self.options["contrastive_weight"] * nce,
        }

    def end_epoch(self, epoch: int) -> dict[str, float]:
        """Alignment and uniformity of the views."""
        return self.geometry.take()


def cl4srec_operators(options: Mapping[str, Any], mask_id: int) -> dict[str, Operator]:
    """The operators that CL4SRec draws from, by name.

    Args:
        options: Values of `RATIOS`.
        mask_id: What masked items become.

    Returns:
        Crop, mask and reorder.
    """
    return {
        "crop": partial(crop, ratio=options["crop_ratio"]),
        "mask": partial(mask, ratio=options["mask_ratio"], fill_id=mask_id),
        "reorder": partial(reorder, ratio=options["reorder_ratio"]),
    }


def cl4srec_pairs(
    operators: Mapping[str, Operator], batch: Batch, encode: Encode, generator: torch.Generator
) -> ViewPairs:
    """Encodes a batch and two views of each anchor, by two different operators.

    Args:
        operators: What to draw from, by name.
        batch: The batch.
        encode: Encodes any number of ``Rows`` in one pass.
        generator: Source of the views, on the batch's device.

    Returns:
        The outputs, with a pair ``contrastive``.
    """
    anchors = batch.anchors
    drawn = draw_two_views(anchors.item_seq, anchors.seq_len, operators, generator, distinct=True)
    views = [Rows(*view) for view in drawn]
    hidden, z_a, z_b = encode(batch.supervised, *views)
    return ViewPairs(hidden, {"contrastive": (z_a, z_b)}, {"contrastive": views[1]})
