"""ICSRec: contrast between subsequences with the same target, and between them and the intents of their clusters."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from recbole_cl.batch import Batch, Rows
from recbole_cl.config.papers import ByDataset, Papers, said
from recbole_cl.config.schema import MethodSettings, NotNegative, Positive
from recbole_cl.data.hooks import HookFactory
from recbole_cl.data.same_target import PARTNERS
from recbole_cl.loss.info_nce import info_nce, same_target_mask
from recbole_cl.model.contrast.pairs import ViewPair
from recbole_cl.model.contrastive import ContrastiveRecommender, ContrastiveSettings
from recbole_cl.model.intents import IntentSettings, intents_of


class ICSRecSettings(ContrastiveSettings, IntentSettings):
    """Settings of ICSRec, with the symbols of the authors' code."""

    partner: Literal["last", "uniform"]
    similarity: Literal["dot", "cosine"]
    temperature: Positive = Field(description="tau")
    coarse_weight: NotNegative = Field(description="lambda")
    fine_weight: NotNegative = Field(description="beta")
    mask_false_negatives: bool = Field(description="f_neg")

    papers: ClassVar[Papers] = {
        **said(
            "ICSRec, the authors' scripts",
            coarse_weight=ByDataset(Beauty=0.3, Sports=0.3, Toys=0.2, ML_1M=0.1),
            fine_weight=0.1,
            mask_false_negatives=True,
            partner="last",
            n_intents=ByDataset(Beauty=256, Sports=256, Toys=1024, ML_1M=512),
            cluster_iterations=20,
            cluster_restarts=5,
            max_rows_per_intent=4096,
            warm_start=True,
            similarity="dot",
            temperature=1.0,
            n_layers=2,
            n_heads=2,
            hidden_size=64,
            hidden_dropout_prob=ByDataset(ML_1M=0.1, others=0.5),
            attn_dropout_prob=ByDataset(ML_1M=0.1, others=0.5),
            MAX_ITEM_LIST_LENGTH=50,
            train_form="prefix",
            recommendation_loss="ce",
            train_batch_size=256,
            learner="adam",
            learning_rate=0.001,
            epochs=300,
            valid_metric="NDCG@20",
        ),
        **said("ICSRec, the authors' scripts: patience 40", stopping_step=39),
    }


class ICSRec(ContrastiveRecommender):
    r"""Coarse intents, given by the target, and fine intents, given by clusters of subsequences.

    With h' a second encoding of a row (another dropout mask), h_s that of another row with the same target, and c' and
    c_s the centroids nearest to them, out of K centroids that are fitted to all training rows every epoch:

    .. math:: L = L_{rec} + \lambda\, NCE(h', h_s) + \beta\, (NCE(h', c') + NCE(h_s, c_s))

    Rows with the same target are not negatives of each other in the first contrast; nor are rows of the same cluster in
    the second.

    Reference:
        Qin, Yuan, Zhao, Liu, Zhuang and Sheng, "Intent Contrastive Learning with Cross Subsequences for Sequential
        Recommendation", WSDM 2024, and the authors' code.

    Note:
        ``docs/methods/icsrec.md`` describes the authors' code and the differences here.
    """

    settings: ClassVar[type[MethodSettings]] = ICSRecSettings
    options: ICSRecSettings

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        self._epoch = 0
        self.intents = intents_of(dataset, self.options, self.plan.seed) if self.options.fine_weight else None

    @property
    def compares_views(self) -> bool:
        """Whether the weights leave the contrast of rows with the same target."""
        return bool(self.options.coarse_weight)

    @property
    def batch_hooks(self) -> Mapping[str, HookFactory]:
        """Rows with the same target, if a term uses them."""
        options = self.options
        return {"same_target": PARTNERS[options.partner]} if options.coarse_weight or options.fine_weight else {}

    def start_epoch(self, epoch: int) -> None:
        """Computes the intents of the training rows from their current encodings."""
        self._epoch = epoch
        if self.intents is not None:
            self.intents.refit(epoch, self, self._represent)

    def end_epoch(self, epoch: int) -> dict[str, float]:
        """The distance of rows from their intents."""
        return super().end_epoch(epoch) | ({} if self.intents is None else self.intents.figures())

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        options = self.options
        if not self.batch_hooks:
            (hidden,) = self.encode(batch.supervised)
            return {"recommendation": self.recommendation_loss(hidden, batch.supervised_target, batch)}
        anchors, partner = batch.anchors, batch.rows("same_target")
        hidden, z_own, z_partner = self.encode(batch.supervised, anchors, partner)
        terms = {"recommendation": self.recommendation_loss(hidden, batch.supervised_target, batch)}
        loss = partial(info_nce, temperature=options.temperature, similarity=options.similarity)
        if options.coarse_weight:
            mask = same_target_mask(batch.anchor_target) if options.mask_false_negatives else None
            pair = ViewPair(z_own, z_partner, partner, anchors)
            coarse = self.compare_views(partial(loss, negative_mask=mask), pair)
            terms["coarse"] = options.coarse_weight * coarse
        if self.intents is not None:
            if not self.intents.fitted:
                self.start_epoch(self._epoch)  # a plain RecBole script does not call it
            how = options.temperature, options.similarity, options.mask_false_negatives
            fine = torch.stack([self.intents.contrast(z, *how) for z in (z_own, z_partner)]).sum()
            terms["fine"] = options.fine_weight * fine
        return terms

    def _represent(self, rows: Rows) -> Tensor:
        return self.encode(rows)[0]
