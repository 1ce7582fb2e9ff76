"""CL4SRec: contrast between two augmentations of a sequence."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

from torch import Tensor

from recbole_cl.augmentation import Operator, crop, draw_two_views, mask, reorder
from recbole_cl.checks import Check, Choice, Number
from recbole_cl.encoder.packing import Rows
from recbole_cl.loss.info_nce import info_nce
from recbole_cl.model.base import ContrastiveRecommender
from recbole_cl.model.training_batch import Batch


class CL4SRec(ContrastiveRecommender):
    r"""Two views of every sequence, by two different operators out of crop, mask and reorder.

    .. math:: L = L_{rec} + \lambda\, NCE(h^{a_i}, h^{a_j})

    Reference:
        Xie, Sun, Liu et al., "Contrastive Learning for Sequential Recommendation", ICDE 2022, Eq. 2-9.

    Note:
        The authors released no code. Details follow the re-implementation in the DuoRec repository, but for its
        loader, which writes masks and reorderings into its own training data: here views are copies.
    """

    has_mask_token = True
    settings: ClassVar[Mapping[str, Check]] = {
        "crop_ratio": Number(low=0, high=1),
        "mask_ratio": Number(low=0, high=1),
        "reorder_ratio": Number(low=0, high=1),
        "similarity": Choice("dot", "cosine"),
        "temperature": Number(low=0, open_low=True),
        "contrastive_weight": Number(low=0),
    }

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        self.operators: dict[str, Operator] = {
            "crop": partial(crop, ratio=self.options["crop_ratio"]),
            "mask": partial(mask, ratio=self.options["mask_ratio"], fill_id=self.mask_id),
            "reorder": partial(reorder, ratio=self.options["reorder_ratio"]),
        }

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        anchors = batch.anchors
        views = draw_two_views(anchors.item_seq, anchors.seq_len, self.operators, self.generator, distinct=True)
        hidden, z_a, z_b = self.encode(batch.supervised, *(Rows(*view) for view in views))
        nce = info_nce(z_a, z_b, self.options["temperature"], self.options["similarity"])
        return {
            "recommendation": self.recommendation_loss(hidden, batch.supervised_target, batch),
            "contrastive": self.options["contrastive_weight"] * nce,
        }
