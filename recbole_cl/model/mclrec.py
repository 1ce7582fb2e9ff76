"""MCLRec: contrast between augmented views, and with the output of two learnt augmenters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Annotated, Any, ClassVar, Literal

import torch
from annotated_types import MinLen
from pydantic import Field
from recbole.data.interaction import Interaction
from torch import Tensor

from recbole_cl.batch import Batch, Rows
from recbole_cl.config.papers import ByDataset, Papers, said
from recbole_cl.config.schema import MethodSettings, NotNegative, Positive
from recbole_cl.loss.info_nce import info_nce
from recbole_cl.model.augmenting import AugmentingRecommender, Operators, RatioSettings
from recbole_cl.model.contrast.augmenter import Augmenters
from recbole_cl.model.contrast.pairs import ViewPair
from recbole_cl.model.contrast.pooling import rows_to_pool


class MCLRecSettings(RatioSettings):
    """Settings of MCLRec, with the symbols of the authors' code."""

    operators: Annotated[Operators, MinLen(2)]
    similarity: Literal["dot", "cosine"]
    temperature: Positive = Field(description="tau")
    contrastive_weight: NotNegative = Field(description="lambda (lmd)")
    meta_weight: NotNegative = Field(description="beta")
    regulariser_weight: NotNegative
    joint: bool

    papers: ClassVar[Papers] = said(
        "MCLRec, the authors' scripts; that of Toys names Beauty",
        contrastive_weight=ByDataset(Beauty=0.0, Sports=0.04, Toys=0.01, Yelp=0.03, ML_1M=0.0),
        meta_weight=ByDataset(Beauty=0.05, Sports=0.4, Toys=0.1, Yelp=0.1, ML_1M=0.01),
        hidden_dropout_prob=ByDataset(ML_1M=0.1),
        attn_dropout_prob=ByDataset(ML_1M=0.1),
        epochs=100,
    ) | said(
        "MCLRec, the authors' code",
        regulariser_weight=0.1,
        joint=False,
        crop_ratio=0.5,
        mask_ratio=0.5,
        reorder_ratio=0.8,
        n_layers=2,
        n_heads=2,
        hidden_size=64,
        train_form="prefix",
        recommendation_loss="ce",
        train_batch_size=256,
        learning_rate=0.001,
        valid_metric="MRR@10",
        stopping_step=10,
    )


class MCLRec(AugmentingRecommender):
    r"""Meta-optimised contrast: encoder and augmenters are trained in turn.

    With z_a, z_b two views of a row by different operators and A, B the augmenters:

    .. math:: L = L_{rec} + \lambda\, NCE(z_a, z_b) + \beta\, L_{meta}

    The last term is NCE, plus a penalty on margins, over the pairs (z_a, B z_b), (z_b, A z_a) and (A z_a, B z_b). Each
    batch has three optimiser steps: one of the encoder on L, one of the augmenters on L_meta, one of the encoder on L.

    Reference:
        Qin, Yuan, Zhao, Fang, Zhuang, Liu, Liu and Sheng, "Meta-optimized Contrastive Learning for Sequential
        Recommendation", SIGIR 2023, and the authors' code.

    Note:
        ``docs/methods/mclrec.md`` describes the authors' code. In a plain RecBole script, whose trainer takes one step
            per batch, everything is trained on L in one step, as with ``joint``.
    """

    has_mask_token = False
    distinct_views = True
    settings: ClassVar[type[MethodSettings]] = MCLRecSettings
    options: MCLRecSettings

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        options = self.options
        self.augmenters = Augmenters(options.hidden_size, self._init_generator) if options.meta_weight else None

    @property
    def augments(self) -> bool:
        """Whether the weights leave a contrast."""
        return bool(self.options.contrastive_weight or self.options.meta_weight)

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        return self._encoder_losses(batch, self._views(batch))

    def optimiser_steps(self, interaction: Interaction) -> Sequence[Callable[[], Mapping[str, Tensor]]]:
        """Steps of encoder, augmenters, encoder, on the same views; one joint step if so set or without augmenters."""
        if self.options.joint or self.augmenters is None:
            return super().optimiser_steps(interaction)
        batch = self._read(interaction)
        views = self._views(batch)
        own = partial(self._augmenter_losses, self.augmenters, views)
        return self.augmenters.in_turns(partial(self._encoder_losses, batch, views), own)

    def _views(self, batch: Batch) -> list[Rows]:
        if not self.augments:
            return []
        return [rows_to_pool(view, "last", self.views.makes_holes) for view in self.draw_views(batch.anchors)]

    def _augmenter_losses(self, augmenters: Augmenters, views: Sequence[Rows]) -> dict[str, Tensor]:
        with torch.no_grad():
            encoded = self.encode(*views)
        return {"augmenters": self._meta_loss(augmenters, *encoded)}

    def _encoder_losses(self, batch: Batch, views: Sequence[Rows]) -> dict[str, Tensor]:
        options = self.options
        hidden, *encoded = self.encode(batch.supervised, *views)
        terms = {"recommendation": self.recommendation_loss(hidden, batch.supervised_target, batch)}
        if options.contrastive_weight:
            loss = partial(info_nce, temperature=options.temperature, similarity=options.similarity)
            z_a, z_b = encoded
            pair = ViewPair(z_a, z_b, views[1], batch.anchors)
            terms["contrastive"] = options.contrastive_weight * self.compare_views(loss, pair)
        if self.augmenters is not None:
            terms["meta"] = options.meta_weight * self._meta_loss(self.augmenters, *encoded)
        return terms

    def _meta_loss(self, augmenters: Augmenters, z_a: Tensor, z_b: Tensor) -> Tensor:
        return augmenters.contrast(z_a, z_b, self.options.regulariser_weight, self.options.temperature)
