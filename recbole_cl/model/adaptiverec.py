"""AdaptiveRec: a threshold on similarity tells false negatives from true ones."""

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
from recbole_cl.errors import UsageError
from recbole_cl.model.augmenting import AugmentingRecommender, Operators, RatioSettings
from recbole_cl.model.cl4srec import cl4srec_pairs
from recbole_cl.model.contrast.pairs import ViewPairs
from recbole_cl.model.contrast.threshold import ThresholdedContrast, ThresholdSettings
from recbole_cl.model.contrast.views import ViewDrawer
from recbole_cl.model.duorec import CONTRASTS, duorec_hooks, duorec_pairs

_AUGMENT = "augment"


class AdaptiveRecSettings(ThresholdSettings, RatioSettings):
    """Settings of AdaptiveRec, with the paper's symbols."""

    contrast: Annotated[str, OneOf(*CONTRASTS, _AUGMENT)]
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
        Defaults are the authors' code, but for the network, which is built for any batch size (``per_row``). Where that
        code differs from the paper:

        * losses are means over the 2B rows, where Eq. 8 and 9 have sums;
        * the contrastive term gives the threshold no gradient: ``comparison`` offers two that do.

        The regulariser's weight is the product of the paper's two. There is none in the first epoch, as there is no
        :math:`\bar{k}` yet; with those two comparisons, the batch's own statistic stands in for it. Departures from the
        code:

        * batches that are not full train as well, and weigh by their rows in :math:`\bar{k}`; the authors skip them;
        * the network runs once, on the encodings that predict the next item, not in each of three encoding passes;
        * where ``us`` makes two pairs, :math:`\bar{k}` is the mean over both, theirs the second's.

        A plain RecBole script must end the epochs itself:
        ``trainer.fit(..., callback_fn=lambda epoch, score: model.end_epoch(epoch))``.
    """

    settings: ClassVar[type[MethodSettings]] = AdaptiveRecSettings
    options: AdaptiveRecSettings

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        options = self.options
        anchors = max(options.anchors_per_row, 1) if options.train_form == "sequence" else 1
        most_rows = self.plan.batch_size * anchors
        if options.complement != "none" and options.complement_form == "loss":
            raise UsageError(
                "complement_form = loss: the frozen encoder would enter the threshold's statistic; set it to add"
            )
        self.contrast = ThresholdedContrast(options, options.hidden_size, most_rows)
        self.contrast.apply(self.initialise)

    @property
    def has_mask_token(self) -> bool:
        """Whether views may be masked."""
        return self.augments and super().has_mask_token

    @property
    def augments(self) -> bool:
        """Whether views are augmented rows, by the setting ``contrast``."""
        return bool(self.options.contrast == _AUGMENT)

    @property
    def batch_hooks(self) -> Mapping[str, HookFactory]:
        """Sequences with the same target, where a term compares with them."""
        return {} if self.augments else duorec_hooks(self.options.contrast)

    def build_views(self) -> ViewDrawer:
        """Two different operators for every row, as in CL4SRec."""
        names, values = self.options.operators, self.operator_values()
        return ViewDrawer(names, values, self.mask_id, self.generator, distinct=True)

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        hidden, pairs, plain = self._pairs(batch)
        learned = None if plain is None else self.contrast.learned(plain)
        terms = {"recommendation": self.recommendation_loss(hidden, batch.supervised_target, batch)}
        loss = partial(self.contrast, learned=learned)
        for name, pair in pairs.items():
            terms[name] = self.options.contrastive_weight * self.compare_views(loss, pair)
        if learned is not None:
            terms["threshold"] = self.contrast.regulariser(learned)
        return terms

    def end_epoch(self, epoch: int) -> dict[str, float]:
        """What the threshold did in the epoch; the next epoch's is kept near this one's similarities."""
        return super().end_epoch(epoch) | self.contrast.end_epoch()

    def _pairs(self, batch: Batch) -> ViewPairs:
        learns = self.contrast.network is not None
        if self.augments:
            return cl4srec_pairs(self, batch, learns)
        return duorec_pairs(self, self.options.contrast, batch, learns)
