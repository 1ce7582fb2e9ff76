"""AdaptiveRec: a threshold on similarity separates false negatives from true ones."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, ClassVar

from annotated_types import MinLen
from pydantic import Field
from torch import Tensor

from recbole_cl.batch import Batch
from recbole_cl.config.schema import MethodSettings, NotNegative, OneOf
from recbole_cl.data.hooks import HookFactory
from recbole_cl.model.augmenting import AugmentingRecommender, Operators, RatioSettings
from recbole_cl.model.contrast.named_views import AUGMENTED, encode_pairs, hooks_of
from recbole_cl.model.contrast.threshold import ThresholdSettings, thresholded_contrast
from recbole_cl.model.duorec import PAIRS

_AUGMENT = "augment"
_PAIRS = PAIRS | {_AUGMENT: {"contrastive": AUGMENTED}}


class AdaptiveRecSettings(ThresholdSettings, RatioSettings):
    """Settings of AdaptiveRec, with the paper's symbols."""

    contrast: Annotated[str, OneOf(*_PAIRS)]
    operators: Annotated[Operators, MinLen(2)]
    contrastive_weight: NotNegative = Field(description="lambda_cl")


class AdaptiveRec(AugmentingRecommender):
    r"""The pairs of DuoRec, or of CL4SRec, contrasted with a threshold on the similarity of negatives.

    With :math:`k = g(h)` the threshold of each row, learned from the encodings that predict the next item, and
    :math:`\bar{k}` a statistic of the last epoch's similarities:

    .. math:: L = L_{rec} + \lambda_{cl} (L_{learn}(k) + \lambda \lVert k - \bar{k} \rVert)

    Reference:
        Jeon, Ryu, Cho and Kang, "AdaptiveRec: Adaptively Construct Pairs for Contrastive Learning in Sequential
        Recommendation", ICML workshop 2023, Eq. 5-9.

    Note:
        Defaults follow the authors' code, except for the network, which is built for any batch size (``per_row``).
            Differences between that code and the paper:

        * losses are means over the 2B rows, where Eq. 8 and 9 have sums;
        * the contrastive term gives the threshold no gradient: ``comparison`` offers two that do.

        The regulariser's weight is the product of the paper's two. The first epoch has no regulariser, because
        :math:`\bar{k}` does not exist yet; with those two comparisons, the batch's own statistic replaces it.
        Differences between this class and the code:

        * incomplete batches are used for training, too, and count by their rows in :math:`\bar{k}`; the authors skip
        them;
        * the network runs once, on the encodings that predict the next item, and not in each of three encoding passes;
        * where ``us`` makes two pairs, :math:`\bar{k}` is the mean over both; in the code it is that of the second
            pair.

        In a plain RecBole script, the user must end the epochs:
        ``trainer.fit(..., callback_fn=lambda epoch, score: model.end_epoch(epoch))``.
    """

    distinct_views = True
    settings: ClassVar[type[MethodSettings]] = AdaptiveRecSettings
    options: AdaptiveRecSettings

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        self.contrast = thresholded_contrast(self.options, self.plan.batch_size)
        self.contrast.apply(self.initialise)

    @property
    def has_mask_token(self) -> bool:
        """Whether views may be masked."""
        return self.augments and super().has_mask_token

    @property
    def augments(self) -> bool:
        """Whether views are augmented rows; depends on the setting ``contrast``."""
        return bool(self.options.contrast == _AUGMENT)

    @property
    def batch_hooks(self) -> Mapping[str, HookFactory]:
        """Sequences with the same target, if a term compares with them."""
        return hooks_of([view for pair in _PAIRS[self.options.contrast].values() for view in pair])

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        augmented = self.draw_views(batch.anchors) if self.augments else ()
        learns = self.contrast.network is not None
        hidden, pairs, plain = encode_pairs(self, batch, _PAIRS[self.options.contrast], augmented, learns)
        learned = None if plain is None else self.contrast.learned(plain)
        terms = {"recommendation": self.recommendation_loss(hidden, batch.supervised_target, batch)}
        loss = partial(self.contrast, learned=learned)
        for name, pair in pairs.items():
            terms[name] = self.options.contrastive_weight * self.compare_views(loss, pair)
        if learned is not None:
            terms["threshold"] = self.contrast.regulariser(learned)
        return terms

    def end_epoch(self, epoch: int) -> dict[str, float]:
        """Statistics of the threshold; the next epoch's threshold is kept close to this epoch's similarities."""
        return super().end_epoch(epoch) | self.contrast.end_epoch()
