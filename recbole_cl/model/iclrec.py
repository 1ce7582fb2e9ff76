"""ICLRec: contrast between views of a sequence, and between views and the sequence's latent intent."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, ClassVar, Literal

import torch
from annotated_types import MinLen
from pydantic import Field
from torch import Tensor

from recbole_cl.batch import Batch, Rows
from recbole_cl.config.papers import ByDataset, Papers, said
from recbole_cl.config.schema import MethodSettings, NotNegative, OneOf, Positive
from recbole_cl.loss.info_nce import info_nce
from recbole_cl.model.augmenting import SPANS_BEFORE_LAST, AugmentingRecommender, Operators, RatioSettings
from recbole_cl.model.contrast.pooling import POOLINGS, pool, pooled_pair, refuse_pooling, rows_to_pool
from recbole_cl.model.intents import Intents, IntentSettings, intents_of


class ICLRecSettings(RatioSettings, IntentSettings):
    """Settings of ICLRec, with the paper's symbols."""

    operators: Annotated[Operators, MinLen(1)]
    pooling: Annotated[str, OneOf(*POOLINGS)]
    similarity: Literal["dot", "cosine"]
    temperature: Positive = Field(description="tau")
    instance_weight: NotNegative = Field(description="beta")
    intent_weight: NotNegative = Field(description="lambda")
    mask_same_intent: bool

    papers: ClassVar[Papers] = {
        **said(
            "ICLRec, the authors' scripts",
            n_intents=256,
            cluster_iterations=20,
            cluster_restarts=5,
            max_rows_per_intent=4096,
            warm_start=True,
            intent_weight=0.1,
            instance_weight=0.1,
            crop_ratio=0.2,
            mask_ratio=0.7,
            reorder_ratio=0.2,
            pooling="concat",
            similarity="dot",
            temperature=1.0,
            n_layers=ByDataset(Beauty=1, Sports=2, Toys=3, Yelp=2),
            n_heads=2,
            hidden_size=64,
            hidden_dropout_prob=0.5,
            attn_dropout_prob=0.5,
            MAX_ITEM_LIST_LENGTH=50,
            train_form="sequence",
            recommendation_loss="bce",
            train_batch_size=256,
            learner="adam",
            learning_rate=0.001,
            epochs=300,
            valid_metric="NDCG@20",
        ),
        **said("ICLRec, the authors' scripts: patience 40", stopping_step=39),
        **said("ICLRec; off in all of its authors' scripts", mask_same_intent=True),
    }


class ICLRec(AugmentingRecommender):
    r"""Two augmented views z_a, z_b of every row, contrasted with each other and with the row's intent c.

    .. math:: L = L_{rec} + \lambda \frac{NCE(z_a, c) + NCE(z_b, c)}{2} + \beta\, NCE(z_a, z_b)

    c is the centroid nearest to the row's own representation, out of K centroids that are fitted to all training rows
    at the beginning of every epoch.

    Reference:
        Chen, Liu, Li, McAuley and Xiong, "Intent Contrastive Learning for Sequential Recommendation", WWW 2022, and
        the authors' code.

    Note:
        The authors encode every view twice, once for each contrast, with separate dropout masks. Here both contrasts
            use the same encodings. Each term, and so the expected gradient of their sum, is the same.
            ``docs/methods/iclrec.md`` lists the differences between paper and code.
    """

    has_mask_token = False
    fixed_values = SPANS_BEFORE_LAST
    settings: ClassVar[type[MethodSettings]] = ICLRecSettings
    options: ICLRecSettings

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        options = self.options
        refuse_pooling(options.pooling, options.right_aligned)
        self._intent_pooling = "column_mean" if options.pooling == "concat" else options.pooling
        self.intents = intents_of(dataset, options, self.plan.seed) if options.intent_weight else None

    @property
    def compares_views(self) -> bool:
        """Whether the weights leave the contrast between the views."""
        return bool(self.options.instance_weight)

    @property
    def augments(self) -> bool:
        """Whether the weights leave a contrast."""
        return bool(self.options.instance_weight or self.options.intent_weight)

    def start_epoch(self, epoch: int) -> None:
        """Computes the intents of the training rows from their current encodings."""
        super().start_epoch(epoch)
        if self.intents is not None:
            self.intents.refit(epoch, self, self._intent_query)

    def end_epoch(self, epoch: int) -> dict[str, float]:
        """The distance of rows from their intents."""
        return super().end_epoch(epoch) | ({} if self.intents is None else self.intents.figures())

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        if not self.augments:
            (hidden,) = self.encode(batch.supervised)
            return {"recommendation": self.recommendation_loss(hidden, batch.supervised_target, batch)}
        options, anchors, holes = self.options, batch.anchors, self.views.makes_holes
        views = [rows_to_pool(view, options.pooling, holes) for view in self.draw_views(anchors)]
        hidden, *encoded = self.encode(batch.supervised, *views)
        terms = {"recommendation": self.recommendation_loss(hidden, batch.supervised_target, batch)}
        loss = partial(info_nce, temperature=options.temperature, similarity=options.similarity)
        if options.instance_weight:
            pair = pooled_pair(encoded, views, anchors, options.pooling)
            terms["instance"] = options.instance_weight * self.compare_views(loss, pair)
        if self.intents is not None:
            terms["intent"] = options.intent_weight * self._intent_loss(self.intents, anchors, views, encoded)
        return terms

    def _intent_loss(self, intents: Intents, anchors: Rows, views: list[Rows], encoded: list[Tensor]) -> Tensor:
        if not intents.fitted:
            intents.refit(self._epoch, self, self._intent_query)  # a plain RecBole script does not call start_epoch
        with torch.no_grad():
            nearest = intents(self._intent_query(anchors))
        options = self.options
        how = options.temperature, options.similarity, options.mask_same_intent
        pooled = [pool(hidden, rows, self._intent_pooling) for hidden, rows in zip(encoded, views, strict=True)]
        return torch.stack([intents.contrast(z, *how, nearest) for z in pooled]).mean()

    def _intent_query(self, rows: Rows) -> Tensor:
        """Representations of rows, used to find their intents."""
        whole = rows_to_pool(Rows(rows.item_seq, rows.seq_len), self._intent_pooling)
        return pool(self.encode(whole)[0], whole, self._intent_pooling)
