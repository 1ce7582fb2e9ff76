"""Contrastive: a free combination of views, contrasts and recommendation loss, chosen only by settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Annotated, Any, ClassVar, Literal

import torch
from annotated_types import Ge, MinLen
from pydantic import Field
from recbole.data.interaction import Interaction
from torch import Tensor

from recbole_cl.batch import Batch, Rows
from recbole_cl.config.schema import Distinct, MethodSettings, NotNegative, OneOf, Share
from recbole_cl.data.hooks import HookFactory
from recbole_cl.data.same_target import PARTNERS
from recbole_cl.errors import UsageError
from recbole_cl.loss.info_nce import info_nce, same_target_mask
from recbole_cl.model.augmenting import AugmentingRecommender, Operators, RatioSettings
from recbole_cl.model.contrast.augmenter import Augmenters
from recbole_cl.model.contrast.diagnostics import ViewGeometry
from recbole_cl.model.contrast.named_views import AUGMENTED, VIEWS, hooks_of, named_rows
from recbole_cl.model.contrast.pairs import PairLoss
from recbole_cl.model.contrast.pooling import POOLINGS, pool, pooled_pair, refuse_pooling, rows_to_pool
from recbole_cl.model.contrast.threshold import ThresholdSettings, thresholded_contrast
from recbole_cl.model.contrast.views import ViewDrawer
from recbole_cl.model.contrastive import PLAIN
from recbole_cl.model.intents import Intents, IntentSettings, intents_of


class CombinationSettings(ThresholdSettings, IntentSettings, RatioSettings):
    """Settings of the free combination, with the names that the original methods use."""

    views: Annotated[list[Annotated[str, OneOf(*VIEWS)]], MinLen(2), Distinct()]
    partner: Annotated[str, OneOf(*PARTNERS)]
    short_operators: Annotated[Operators, MinLen(1)]
    short_length: Annotated[int, Ge(-1)]
    distinct_operators: bool
    substitute_ratio: Share
    insert_ratio: Share
    mask_fill: Literal["padding", "token"]
    pooling: Annotated[str, OneOf(*POOLINGS)]
    negatives: Literal["all", "other_targets", "thresholded"]
    contrastive_weight: NotNegative = Field(description="lambda")
    intent_weight: NotNegative
    intent_of: Literal["view", "row"]
    mask_same_intent: bool
    learnt_weight: NotNegative = Field(description="MCLRec's beta")
    regulariser_weight: NotNegative
    joint: bool


class Contrastive(AugmentingRecommender):
    r"""Views z_1, z_2, ... of every row; the first is contrasted with each of the others.

    .. math:: L = L_{rec} + \lambda \sum_{i > 1} NCE(z_1, z_i) + \frac{\mu}{n} \sum_i NCE(z_i, c_i) + \beta\, L_{learnt}

    Views are the rows encoded again, augmented rows, or other rows with the same target. NCE is InfoNCE, optionally
        without negatives that have the same target, or with a threshold on similarity. c_i are the centroids nearest to
        the n views. L_learnt is the contrast with the output of two learnt augmenters for the first two views.

    Reference:
        Each part comes from one of the methods. ``docs/methods/contrastive.md`` lists the methods that are such a
            combination, and the configuration files with which this model gives their losses.

    Note:
        Every term is named after what it contrasts: the second of two views, ``intent``, ``learnt``.
    """

    settings: ClassVar[type[MethodSettings]] = CombinationSettings
    options: CombinationSettings

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        options = self.options
        thresholded = options.contrastive_weight and options.negatives == "thresholded"
        if thresholded and options.similarity_threshold == "learned" and options.pooling != "last":
            raise UsageError(
                f"pooling = {options.pooling}: a learned threshold looks at each row's newest state, which is then not "
                "what is compared; set pooling to last, or similarity_threshold to batch, row or last_epoch"
            )
        self._vector_pooling = "column_mean" if options.pooling == "concat" else options.pooling
        self.geometry = ViewGeometry()
        self.contrast = thresholded_contrast(options, self.plan.batch_size) if thresholded else None
        if self.contrast is not None:
            self.contrast.apply(self.initialise)
        self.intents = intents_of(dataset, options, self.plan.seed) if options.intent_weight else None
        self.augmenters = Augmenters(options.hidden_size, self._init_generator) if options.learnt_weight else None

    @property
    def has_contrast(self) -> bool:
        """Whether the weights leave a term that uses views."""
        options = self.options
        return bool(options.contrastive_weight or options.intent_weight or options.learnt_weight)

    @property
    def _learns_threshold(self) -> bool:
        return self.contrast is not None and self.contrast.network is not None

    @property
    def augments(self) -> bool:
        """Whether a view that a term uses is augmented."""
        return self.has_contrast and not {*AUGMENTED}.isdisjoint(self.options.views)

    @property
    def has_mask_token(self) -> bool:
        """Whether an augmented view may be masked by a token."""
        return self.augments and self.options.mask_fill == "token" and super().has_mask_token

    @property
    def batch_hooks(self) -> Mapping[str, HookFactory]:
        """Rows with the same target, if they are a view."""
        return hooks_of(self.options.views, PARTNERS[self.options.partner]) if self.has_contrast else {}

    def build_views(self) -> ViewDrawer:
        """Builds the operators that the settings name."""
        options = self.options
        refuse_pooling(options.pooling, options.right_aligned)
        return ViewDrawer(
            options.operators,
            self.operator_values(),
            0 if options.mask_fill == "padding" else self.mask_id,
            self.generator,
            distinct=options.distinct_operators,
            short_length=options.short_length,
            short_names=options.short_operators,
        )

    def start_epoch(self, epoch: int) -> None:
        """Updates correlated items and the intents of the training rows, if views or terms need them."""
        super().start_epoch(epoch)
        if self.intents is not None:
            self.intents.refit(epoch, self, self._represent)

    def end_epoch(self, epoch: int) -> dict[str, float]:
        """Statistics of the views, of the distance of rows from their intents, and of the threshold."""
        parts = [self.geometry.take()]
        parts += [] if self.intents is None else [self.intents.figures()]
        parts += [] if self.contrast is None else [self.contrast.end_epoch()]
        return {name: value for part in (super().end_epoch(epoch), *parts) for name, value in part.items()}

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        return self._encoder_terms(batch, self._rows(batch))

    def optimiser_steps(self, interaction: Interaction) -> Sequence[Callable[[], Mapping[str, Tensor]]]:
        """Steps of encoder, augmenters, encoder, on the same views; one joint step if so set or without augmenters."""
        if self.augmenters is None or self.options.joint:
            return super().optimiser_steps(interaction)
        batch = self._read(interaction)
        rows = self._rows(batch)
        own = partial(self._augmenter_terms, self.augmenters, rows)
        return self.augmenters.in_turns(partial(self._encoder_terms, batch, rows), own)

    def _rows(self, batch: Batch) -> dict[str, Rows]:
        """The rows of every view, and the anchors themselves if a threshold is learnt from them."""
        if not self.has_contrast:
            return {}
        augmented = self.draw_views(batch.anchors) if self.augments else ()
        names = {*self.options.views, *([PLAIN] if self._learns_threshold else [])}
        pooling, holes = self.options.pooling, self.views.makes_holes
        rows = named_rows(names, batch, augmented)
        return {name: rows_to_pool(view, pooling, holes and name in AUGMENTED) for name, view in rows.items()}

    def _encoder_terms(self, batch: Batch, rows: Mapping[str, Rows]) -> dict[str, Tensor]:
        options = self.options
        hidden, encoded = self.encode_views(batch, rows)
        terms = {"recommendation": self.recommendation_loss(hidden, batch.supervised_target, batch)}
        if options.contrastive_weight:
            terms |= self._contrastive_terms(batch, rows, encoded)
        if self.intents is not None:
            terms["intent"] = options.intent_weight * self._intent_loss(self.intents, batch.anchors, rows, encoded)
        if self.augmenters is not None:
            terms["learnt"] = options.learnt_weight * self._learnt_loss(self.augmenters, rows, encoded)
        return terms

    def _contrastive_terms(
        self, batch: Batch, rows: Mapping[str, Rows], encoded: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        terms = {}
        learned = self.contrast.learned(encoded[PLAIN]) if self.contrast and self._learns_threshold else None
        loss = self._pair_loss(batch, learned)
        first, *others = self.options.views
        for other in others:
            both = (first, other)
            pair = pooled_pair(
                [encoded[it] for it in both], [rows[it] for it in both], batch.anchors, self.options.pooling
            )
            terms[other] = self.options.contrastive_weight * self.compare_views(loss, pair)
            if self.contrast is None:  # it measures its pairs itself
                self.geometry.look_at(pair.z_a, pair.z_b)
        if self.contrast and learned is not None:
            terms["threshold"] = self.contrast.regulariser(learned)
        return terms

    def _pair_loss(self, batch: Batch, learned: Tensor | None) -> PairLoss:
        if self.contrast is not None:
            return partial(self.contrast, learned=learned)
        options = self.options
        mask = same_target_mask(batch.anchor_target) if options.negatives == "other_targets" else None
        return partial(info_nce, temperature=options.temperature, similarity=options.similarity, negative_mask=mask)

    def _intent_loss(
        self, intents: Intents, anchors: Rows, rows: Mapping[str, Rows], encoded: Mapping[str, Tensor]
    ) -> Tensor:
        """Mean contrast of the views with the intents nearest to them, or to their rows."""
        if not intents.fitted:
            intents.refit(self._epoch, self, self._represent)  # a plain RecBole script does not call start_epoch
        options, nearest = self.options, None
        if options.intent_of == "row":
            with torch.no_grad():
                nearest = intents(self._represent(anchors))
        how = options.temperature, options.similarity, options.mask_same_intent
        vectors = [self._vectors(name, rows, encoded) for name in options.views]
        return torch.stack([intents.contrast(z, *how, nearest) for z in vectors]).mean()

    def _learnt_loss(self, augmenters: Augmenters, rows: Mapping[str, Rows], encoded: Mapping[str, Tensor]) -> Tensor:
        z_a, z_b = (self._vectors(name, rows, encoded) for name in self.options.views[:2])
        return augmenters.contrast(z_a, z_b, self.options.regulariser_weight, self.options.temperature)

    def _augmenter_terms(self, augmenters: Augmenters, rows: Mapping[str, Rows]) -> dict[str, Tensor]:
        names = self.options.views[:2]
        with torch.no_grad():
            encoded = dict(zip(names, self.encode(*(rows[name] for name in names)), strict=True))
        return {"augmenters": self._learnt_loss(augmenters, rows, encoded)}

    def _vectors(self, name: str, rows: Mapping[str, Rows], encoded: Mapping[str, Tensor]) -> Tensor:
        """A view as one vector per row, of the hidden size."""
        return pool(encoded[name], rows[name], self._vector_pooling)

    def _represent(self, rows: Rows) -> Tensor:
        """Representations of rows, used to find their intents."""
        whole = rows_to_pool(Rows(rows.item_seq, rows.seq_len), self._vector_pooling)
        return pool(self.encode(whole)[0], whole, self._vector_pooling)
