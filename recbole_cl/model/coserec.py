"""CoSeRec: contrast between augmentations that use item correlations and depend on the sequence's length."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, MinLen
from pydantic import Field
from torch import Tensor

from recbole_cl.batch import Batch, Rows
from recbole_cl.config.papers import Among, Papers, said
from recbole_cl.config.schema import MethodSettings, Natural, NotNegative, OneOf, Positive, Share
from recbole_cl.errors import UsageError
from recbole_cl.loss.info_nce import info_nce
from recbole_cl.model.augmenting import AugmentingRecommender, Operators, RatioSettings
from recbole_cl.model.checks import refuse_long_first_stage
from recbole_cl.model.contrast.pooling import POOLINGS, pooled_pair, refuse_pooling, rows_to_pool
from recbole_cl.model.contrast.views import ViewDrawer

_OF_THE_PAPER = ("crop", "mask", "reorder", "substitute", "insert")


class CoSeRecSettings(RatioSettings):
    """Settings of CoSeRec, with the paper's symbols."""

    short_operators: Annotated[Operators, MinLen(1)]
    short_length: Annotated[int, Ge(-1)] = Field(description="K")
    distinct_operators: bool
    substitute_ratio: Share = Field(description="alpha")
    insert_ratio: Share = Field(description="beta")
    rounding: dict[Annotated[str, OneOf(*_OF_THE_PAPER)], Literal["floor", "ceil"]]
    mask_fill: Literal["padding", "token"]
    pooling: Annotated[str, OneOf(*POOLINGS)]
    similarity: Literal["dot", "cosine"]
    temperature: Positive = Field(description="tau")
    contrastive_weight: NotNegative = Field(description="lambda")
    pretrain_epochs: Natural

    papers: ClassVar[Papers] = {
        **said(
            "CoSeRec, section 5.1.4",
            short_length=Among(4, 12, 20),
            substitute_ratio=Among(*(i / 10 for i in range(1, 10))),
            insert_ratio=Among(*(i / 10 for i in range(1, 10))),
            contrastive_weight=Among(0.1, 0.2, 0.3, 0.4, 0.5),
            n_layers=2,
            n_heads=2,
            hidden_size=64,
            MAX_ITEM_LIST_LENGTH=50,
            train_batch_size=256,
            learner="adam",
            learning_rate=0.001,
        ),
        **said("CoSeRec, section 5.1.4: patience 40", stopping_step=39),
        **said("CoSeRec, section 4.1", rounding=dict.fromkeys(_OF_THE_PAPER, "ceil"), mask_fill="token"),
    }


class CoSeRec(AugmentingRecommender):
    r"""Two views of every row, each made by its own operator, drawn from a set that depends on the row's length.

    .. math:: L = L_{rec} + \lambda\, NCE(z_a, z_b)

    where z are the encoder's outputs at all positions, concatenated, or pooled otherwise. ``substitute`` and ``insert``
    use each item's most correlated item.

    Reference:
        Liu, Chen, Li, Yu, McAuley and Xiong, "Contrastive Self-supervised Sequential Recommendation with Robust
        Augmentation", 2021, Eq. 3-14.

    Note:
        Defaults follow the authors' code; ``docs/methods/coserec.md`` compares it with the paper. Differences from
            both:

        * padding and mask token are never used as correlated items;
        * for users with more items than a row holds, nothing is dropped: older items form further rows;
        * rows are augmented after they are cut to the maximum length.
    """

    has_mask_token = True
    settings: ClassVar[type[MethodSettings]] = CoSeRecSettings
    options: CoSeRecSettings

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        refuse_long_first_stage("pretrain_epochs", self.options.pretrain_epochs, self.plan)

    def build_views(self) -> ViewDrawer:
        """Operators that depend on the row's length; spans never include the last item, as in the authors' code."""
        options = self.options
        refuse_pooling(options.pooling, options.right_aligned)
        if options.pretrain_epochs and not options.contrastive_weight:
            raise UsageError(f"pretrain_epochs = {options.pretrain_epochs}: they need a contrastive_weight above 0")
        own: dict[str, dict[str, Any]] = {
            name: {"rounding": options.rounding.get(name, "floor")} for name in _OF_THE_PAPER
        }
        own["crop"]["span"] = own["reorder"]["span"] = "before_last"
        return ViewDrawer(
            options.operators,
            self.operator_values(own),
            0 if options.mask_fill == "padding" else self.mask_id,
            self.generator,
            distinct=options.distinct_operators,
            short_length=options.short_length,
            short_names=options.short_operators,
        )

    @property
    def epochs_with_views(self) -> int | None:
        """The first stage if there is one, otherwise all epochs."""
        return self.options.pretrain_epochs or self.plan.epochs

    @property
    def pretraining(self) -> bool:
        """Whether this epoch trains only on the contrastive term."""
        return self._epoch < self.options.pretrain_epochs

    @property
    def augments(self) -> bool:
        """Whether views are augmented rows, in this epoch: true whenever there are views."""
        return self.draws_views

    @property
    def draws_views(self) -> bool:
        """Whether this epoch has a contrastive term."""
        return self.compares_views and (self.pretraining or not self.options.pretrain_epochs)

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        if not self.draws_views:
            (hidden,) = self.encode(batch.supervised)
            return {"recommendation": self.recommendation_loss(hidden, batch.supervised_target, batch)}
        pooling, holes = self.options.pooling, self.views.makes_holes
        views = [rows_to_pool(view, pooling, holes) for view in self.draw_views(batch.anchors)]
        if self.pretraining:
            return {"contrastive": self._contrast(batch.anchors, views, self.encode(*views))}
        hidden, *encoded = self.encode(batch.supervised, *views)
        return {
            "recommendation": self.recommendation_loss(hidden, batch.supervised_target, batch),
            "contrastive": self._contrast(batch.anchors, views, encoded),
        }

    def _contrast(self, anchors: Rows, views: list[Rows], encoded: list[Tensor]) -> Tensor:
        options = self.options
        loss = partial(info_nce, temperature=options.temperature, similarity=options.similarity)
        pair = pooled_pair(encoded, views, anchors, options.pooling)
        weighted: Tensor = options.contrastive_weight * self.compare_views(loss, pair)
        return weighted
