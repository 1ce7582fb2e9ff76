"""CL4SRec: contrast between two augmentations of a sequence."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

from torch import Tensor

from recbole_cl.augmentation import OPERATORS
from recbole_cl.batch import Batch
from recbole_cl.config.checks import Check, Choice, ListOf, Named, Number
from recbole_cl.loss.info_nce import info_nce
from recbole_cl.model.augmenting import AugmentingRecommender, ratios
from recbole_cl.model.contrast.diagnostics import ViewGeometry
from recbole_cl.model.contrast.pairs import ViewPair, ViewPairs
from recbole_cl.model.contrast.views import ViewDrawer
from recbole_cl.model.contrastive import PLAIN


class CL4SRec(AugmentingRecommender):
    r"""Two views of every sequence, by two different operators, out of crop, mask and reorder by default.

    .. math:: L = L_{rec} + \lambda\, NCE(h^{a_i}, h^{a_j})

    Reference:
        Xie, Sun, Liu et al., "Contrastive Learning for Sequential Recommendation", ICDE 2022, Eq. 2-9.

    Note:
        The authors released no code. Details follow the re-implementation in the DuoRec repository, but for its
        loader, which writes masks and reorderings into its own training data, and so into the row that the
        recommendation loss sees in that very step: here views are copies.
    """

    settings: ClassVar[Mapping[str, Check]] = {
        "operators": ListOf(Named(OPERATORS), min_length=2, distinct=True),
        **ratios("crop", "mask", "reorder"),
        "similarity": Choice("dot", "cosine"),
        "temperature": Number(low=0, open_low=True),
        "contrastive_weight": Number(low=0),
    }

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        self.geometry = ViewGeometry()

    def build_views(self) -> ViewDrawer:
        """Two different operators for every row."""
        names, values = self.options["operators"], self.operator_values()
        return ViewDrawer(names, values, self.mask_id, self.generator, distinct=True)

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        hidden, pairs, _ = cl4srec_pairs(self, batch)
        loss = partial(info_nce, temperature=self.options["temperature"], similarity=self.options["similarity"])
        pair = pairs["contrastive"]
        self.geometry.look_at(pair.z_a, pair.z_b)
        return {
            "recommendation": self.recommendation_loss(hidden, batch.supervised_target, batch),
            "contrastive": self.options["contrastive_weight"] * self.compare_views(loss, pair),
        }

    def end_epoch(self, epoch: int) -> dict[str, float]:
        """Alignment and uniformity of the views."""
        return self.geometry.take()


def cl4srec_pairs(model: AugmentingRecommender, batch: Batch, plain: bool = False) -> ViewPairs:
    """Encodes a batch and two views of each anchor.

    Args:
        model: Draws and encodes the views.
        batch: The batch.
        plain: Whether the encodings of the anchors as they are are wanted, too.

    Returns:
        The outputs, with a pair ``contrastive``.
    """
    anchors = batch.anchors
    rows_a, rows_b = model.draw_views(anchors)
    views = {"a": rows_a, "b": rows_b} | ({PLAIN: anchors} if plain else {})
    hidden, z = model.encode_views(batch, views)
    return ViewPairs(hidden, {"contrastive": ViewPair(z["a"], z["b"], rows_b, anchors)}, z.get(PLAIN))
