"""SRMA: contrast between views that differ in the data and in the encoder.

Letters: B rows, L columns, T targets, W outputs of a view, S passes, K extra layers.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from logging import getLogger
from typing import Annotated, Any, ClassVar, Literal

import torch
from annotated_types import Ge, Le
from pydantic import Field
from torch import Tensor

from recbole_cl.batch import Batch, Rows
from recbole_cl.config.papers import Among, Papers, said
from recbole_cl.config.schema import MethodSettings, Natural, NotNegative, OneOf, Positive, Rate
from recbole_cl.distributed.sharing import encode_in_shares
from recbole_cl.encoder.dropout import Dropout
from recbole_cl.encoder.layer_drop import LAYER_KINDS, LayerDropEncoder, draw_kept
from recbole_cl.errors import UsageError
from recbole_cl.loss.info_nce import info_nce
from recbole_cl.model.augmenting import SPANS_BEFORE_LAST, AugmentingRecommender, Operators, RatioSettings
from recbole_cl.model.contrast.pooling import POOLINGS, pooled_pair, refuse_pooling, rows_to_pool


class SRMASettings(RatioSettings):
    """Settings of SRMA, with the paper's symbols."""

    operators: Operators
    neuron_masking_prob: Rate | None = Field(description="p")
    neuron_masking_layers: Literal["feed_forward", "all"]
    neuron_masking_passes: Literal["views", "all"]
    extra_layers: Annotated[int, Ge(0), Le(2**10)] = Field(description="K")
    dropped_layers: Natural = Field(description="M")
    extra_layer_kind: Annotated[str, OneOf(*LAYER_KINDS)]
    layer_drop_mode: Literal["distinct", "same"]
    extra_layers_in_training: bool
    extra_layers_at_inference: bool
    pooling: Annotated[str, OneOf(*POOLINGS)]
    similarity: Literal["dot", "cosine"]
    temperature: Positive = Field(description="tau")
    contrastive_weight: NotNegative = Field(description="lambda")

    papers: ClassVar[Papers] = {
        **said("SRMA, section 5.1", neuron_masking_prob=Among(*(i / 10 for i in range(10)))),
        **said("SRMA, section 5.4", neuron_masking_layers="feed_forward"),
        **said("SRMA, sections 5.1 and 5.4", extra_layers=Among(1, 2, 3, 4, best=2)),
        **said("SRMA, section 5.4", dropped_layers=Among(0, 1, 2, 3, best=1)),
        **said("SRMA, section 4.2", extra_layer_kind="inter"),
        **said("SRMA, section 5.5", n_layers=2),
    }


class SRMA(AugmentingRecommender):
    r"""Two augmented views of every row, encoded with neurons and layers that are dropped at random.

    .. math:: L = L_{rec} + \lambda\, NCE(z_a, z_b)

    where :math:`z` are the encoder's outputs at all positions, concatenated, or pooled otherwise. The views differ in
    their data (each has its own operator), masked neurons, dropped layers, and a second encoder (see ``Complement``).

    Reference:
        Liu, Chen, Li, Luo, Yu and Xiong, "Improving Contrastive Learning with Model Augmentation", 2022, Eq. 3-4 and
        section 4.

    Note:
        Where the paper leaves a choice open, defaults follow the authors' second command; ``docs/methods/srma.md``
            compares the two. Differences from both:

        * a separate masking probability applies while views are encoded, unless ``neuron_masking_passes`` is ``all``;
        * for users with more items than a row holds, nothing is dropped: older items form further rows;
        * rows are augmented after they are cut to the maximum length.
    """

    has_mask_token = False
    fixed_values = SPANS_BEFORE_LAST
    settings: ClassVar[type[MethodSettings]] = SRMASettings
    options: SRMASettings

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        self._check_options()
        options = self.options
        self.encoder: LayerDropEncoder = LayerDropEncoder(
            self.encoder, options.extra_layer_kind, options.extra_layers, self.encoder_settings, self.generator
        )
        self.encoder.layers.apply(self.initialise)
        self._masked = self._masked_dropouts()
        if options.neuron_masking_passes == "all":
            self._mask_with(options.neuron_masking_prob)
            self._masked = []

    @property
    def augments(self) -> bool:
        """Whether views are augmented rows: true whenever there are views."""
        return self.compares_views

    def _check_options(self) -> None:
        options = self.options
        extra, dropped = options.extra_layers, options.dropped_layers
        if dropped >= max(extra, 1):
            raise UsageError(f"dropped_layers = {dropped}: expected fewer than extra_layers = {extra}, or 0 of 0")
        p = options.neuron_masking_prob
        if p is not None and options.neuron_masking_passes == "views" and not options.contrastive_weight:
            raise UsageError(
                f"neuron_masking_prob = {p}: it holds for views, of which a contrastive_weight of 0 leaves none; "
                "set neuron_masking_passes to all"
            )
        trained = options.extra_layers_in_training or options.contrastive_weight
        if extra and options.extra_layers_at_inference and not trained:
            raise UsageError(
                "extra_layers_in_training = False: with a contrastive_weight of 0 nothing trains the layers that "
                "scores pass; set extra_layers_at_inference to False, or extra_layers to 0"
            )
        if extra and options.extra_layers_in_training and not options.extra_layers_at_inference:
            getLogger().warning(
                "extra_layers_at_inference = False: scores leave out layers that the recommendation loss is trained "
                "with; to train it without them as well, set extra_layers_in_training to False"
            )
        refuse_pooling(options.pooling, options.right_aligned)

    def _masked_dropouts(self) -> list[Dropout]:
        """The dropouts with another probability than the encoder's own; never those of attention weights."""
        p, everywhere = self.options.neuron_masking_prob, self.options.neuron_masking_layers == "all"
        if p is None or p == self.options.hidden_dropout_prob:
            return []
        named = [(name, part) for name, part in self.encoder.named_modules() if isinstance(part, Dropout)]
        of_neurons = [(name, part) for name, part in named if not name.endswith("attention.dropout")]
        chosen = [part for name, part in of_neurons if everywhere or name.endswith("output_dropout")]
        if not chosen:
            raise UsageError(
                f"neuron_masking_prob = {p}: the encoder has no feed-forward layers; set neuron_masking_layers to all"
            )
        return chosen

    @contextmanager
    def _neuron_masking(self) -> Iterator[None]:
        """Applies the views' own masking probability while they are encoded."""
        self._mask_with(self.options.neuron_masking_prob)
        try:
            yield
        finally:
            self._mask_with(self.options.hidden_dropout_prob)

    def _mask_with(self, p: float | None) -> None:
        for dropout in self._masked:
            dropout.p = self.options.hidden_dropout_prob if p is None else p

    def encode(self, *segments: Rows, kept: Tensor | None = None) -> list[Tensor]:
        """Encodes several views in one pass, extra layers included.

        Args:
            segments: Rows; each states at which positions its outputs are wanted.
            kept: The extra layers of each segment, [S, K]; None for all or none of them, depending on
                ``extra_layers_at_inference``.

        Returns:
            As in every method, one tensor of outputs for each segment.
        """
        return encode_in_shares(partial(self._encode, kept=kept), segments, self.generator)

    def _encode(self, *segments: Rows, kept: Tensor | None = None) -> list[Tensor]:
        tokens, packing = self.packed(segments)
        if kept is None:
            encoder = self.encoder if self.options.extra_layers_at_inference else self.encoder.trunk
            output = encoder(tokens, packing)  # [W, D]
        else:
            of_slot = [own.expand(rows.item_seq.numel(), -1) for rows, own in zip(segments, kept, strict=True)]
            output = self.encoder(tokens, packing, torch.cat(of_slot).index_select(0, packing.token_index))
        return [output.index_select(0, index) for index in packing.outputs]

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        options, anchors = self.options, batch.anchors
        if not options.contrastive_weight:
            (hidden,) = self.encode(batch.supervised, kept=self._draw_kept()[:1])
            return {"recommendation": self.recommendation_loss(hidden, batch.supervised_target, batch)}
        holes = self.views.makes_holes
        views = [rows_to_pool(view, options.pooling, holes) for view in self.draw_views(anchors)]
        hidden, *encoded = self._encode_all(batch.supervised, *views)
        loss = partial(info_nce, temperature=options.temperature, similarity=options.similarity)
        nce = self.compare_views(loss, pooled_pair(encoded, views, anchors, options.pooling))
        return {
            "recommendation": self.recommendation_loss(hidden, batch.supervised_target, batch),
            "contrastive": options.contrastive_weight * nce,
        }

    def draw_views(self, rows: Rows) -> tuple[Rows, Rows]:
        """Two views of every row, each made by its own operator; the rows themselves if there are no operators."""
        if not self.views.names:
            return Rows(rows.item_seq, rows.seq_len), Rows(rows.item_seq, rows.seq_len)
        return super().draw_views(rows)

    def _encode_all(self, supervised: Rows, rows_a: Rows, rows_b: Rows) -> list[Tensor]:
        """Encodes the recommendation pass and the views; together, unless their neurons are masked differently."""
        kept = self._draw_kept()
        if not self._masked:
            return self.encode(supervised, rows_a, rows_b, kept=kept)
        hidden = self.encode(supervised, kept=kept[:1])
        with self._neuron_masking():
            return hidden + self.encode(rows_a, rows_b, kept=kept[1:])

    def _draw_kept(self) -> Tensor:
        """The extra layers of the recommendation pass and of each view, [3, K]."""
        options = self.options
        kept = draw_kept(3, options.extra_layers, options.dropped_layers, self.generator)
        if options.layer_drop_mode == "same":
            kept[2] = kept[1]
        if not options.extra_layers_in_training:
            kept[0] = False
        return kept
