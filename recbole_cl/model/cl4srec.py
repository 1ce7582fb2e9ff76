"""CL4SRec: contrast between two augmentations of a sequence."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar, Literal

from pydantic import Field
from torch import Tensor

from recbole_cl.batch import Batch
from recbole_cl.config.schema import MethodSettings, NotNegative, Positive
from recbole_cl.loss.info_nce import info_nce
from recbole_cl.model.augmenting import AugmentingRecommender, RatioSettings
from recbole_cl.model.contrast.diagnostics import ViewGeometry
from recbole_cl.model.contrast.named_views import AUGMENTED, encode_pairs


class CL4SRecSettings(RatioSettings):
    """Settings of CL4SRec, with the paper's symbols."""

    similarity: Literal["dot", "cosine"]
    temperature: Positive = Field(description="tau")
    contrastive_weight: NotNegative = Field(description="lambda")


class CL4SRec(AugmentingRecommender):
    r"""Two views of every sequence, made by two different operators (by default out of crop, mask and reorder).

    .. math:: L = L_{rec} + \lambda\, NCE(h^{a_i}, h^{a_j})

    Reference:
        Xie, Sun, Liu et al., "Contrastive Learning for Sequential Recommendation", ICDE 2022, Eq. 2-9.

    Note:
        The authors released no code. Details follow the re-implementation in the DuoRec repository, with one exception.
            Its loader writes masks and reorderings into its own training data, and so into the row that the
            recommendation loss sees in the same step. Here views are copies.
    """

    distinct_views = True
    settings: ClassVar[type[MethodSettings]] = CL4SRecSettings
    options: CL4SRecSettings

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        self.geometry = ViewGeometry()

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        hidden, pairs, _ = encode_pairs(self, batch, {"contrastive": AUGMENTED}, self.draw_views(batch.anchors))
        loss = partial(info_nce, temperature=self.options.temperature, similarity=self.options.similarity)
        pair = pairs["contrastive"]
        self.geometry.look_at(pair.z_a, pair.z_b)
        return {
            "recommendation": self.recommendation_loss(hidden, batch.supervised_target, batch),
            "contrastive": self.options.contrastive_weight * self.compare_views(loss, pair),
        }

    def end_epoch(self, epoch: int) -> dict[str, float]:
        """Alignment and uniformity of the views."""
        return super().end_epoch(epoch) | self.geometry.take()
