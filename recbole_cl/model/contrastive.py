"""Shared code of all methods that compare views: the comparison, with an optional complementary encoder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field
from recbole.data.interaction import Interaction
from torch import Tensor

from recbole_cl.batch import Batch, Rows
from recbole_cl.config.papers import Among, Papers, said
from recbole_cl.config.schema import Count, MethodSettings, Natural, Positive, Text
from recbole_cl.errors import UsageError
from recbole_cl.model.base import EncoderRecommender
from recbole_cl.model.contrast.complement import Complement, FrozenEncoder, refuse_misfit
from recbole_cl.model.contrast.diagnostics import PairDiagnostics
from recbole_cl.model.contrast.pairs import PairLoss, ViewPair
from recbole_cl.model.contrast.pooling import pools_padding
from recbole_cl.model.encoder_settings import EncoderRecommenderSettings

PLAIN = "plain"  # the view of ``encode_views`` that consists of the unchanged anchors


class ContrastiveSettings(EncoderRecommenderSettings):
    """Settings of the complementary encoder and of the diagnostics, available to every comparison of views."""

    complement: Text = Field(description="none, the name of an encoder, or a run folder")
    complement_form: Literal["add", "loss"]
    complement_weight: Positive = Field(description="gamma")
    complement_epochs: Count
    diagnostics_every: Natural

    papers: ClassVar[Papers] = {
        **said("SRMA, section 5.1, by dataset", complement=Among("transformer", "gru")),
        **said("SRMA, section 4.3", complement_form="add"),
        **said("SRMA, section 5.1", complement_weight=Among(0.005, 0.01, 0.05, 0.1, 0.5, 1.0)),
    }


class ContrastiveRecommender(EncoderRecommender):
    """Base of the methods with a contrastive term; they compare views with ``compare_views``.

    With the setting ``complement``, our runs first train a second, frozen encoder, or load a given one; it then takes
    part in every comparison: see ``Complement``. Each method applies the weight of its own term. A method without the
    setting ``contrastive_weight`` overrides ``compares_views``.
    """

    settings: ClassVar[type[MethodSettings]] = ContrastiveSettings
    options: ContrastiveSettings

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        self._complement: Complement | None = None
        every = self.options.diagnostics_every
        self._diagnostics = PairDiagnostics(every) if every else None
        complement = self.options.complement
        if complement != "none" and not self.compares_views:
            raise UsageError(
                f"complement = {complement}: nothing compares with it while the contrastive term has a weight of 0; "
                "set it to none or raise that weight"
            )

    @property
    def compares_views(self) -> bool:
        """Whether the weights leave a contrastive term."""
        options: Any = self.options  # of a method that has this setting
        return bool(options.contrastive_weight)

    @property
    def draws_views(self) -> bool:
        """Whether this epoch has a contrastive term."""
        return self.compares_views and not self.pretraining

    @property
    def compares_padding(self) -> bool:
        """Whether the compared outputs include those at padding."""
        return pools_padding(str(getattr(self.options, "pooling", "last")))

    def complement_with(self, model: EncoderRecommender) -> None:
        """Sets a trained model as the complementary encoder; our runs do so before they train.

        Args:
            model: A model on the same device, trained on the same items.

        Raises:
            UsageError: If the size of its representations, its items or its maximum length differ from this model's, or
                its positions are counted from another end than those of compared padding.
        """
        refuse_misfit(self.options.complement, model, self, self.compares_padding)
        encoder = FrozenEncoder(model, may_mask=self.has_mask_token)
        self._complement = Complement(encoder, self.options.complement_form, self.options.complement_weight)

    def encode_views(self, batch: Batch, views: Mapping[str, Rows]) -> tuple[Tensor, dict[str, Tensor]]:
        """Encodes a batch, and views of its anchors, in one pass.

        The view named ``plain`` consists of the unchanged anchors. It costs nothing if the batch's own outputs contain
        it. They do not if positions are counted from the newest item, because that is the whole row's newest item, or
        if padding is attended to, of which the whole row has less: then the anchors are encoded again.

        Args:
            batch: The batch.
            views: Rows by name, one for each anchor.

        Returns:
            Outputs of ``batch.supervised``, [T, D], and of each view: [A, D] if it wants those at the last items.
        """
        held = PLAIN in views and views[PLAIN].wanted == "last" and self._outputs_hold_anchors(batch)
        encoded = {name: rows for name, rows in views.items() if not (held and name == PLAIN)}
        hidden, *outputs = self.encode(batch.supervised, *encoded.values())
        plain = {PLAIN: batch.at_anchors(hidden)} if held else {}
        return hidden, plain | dict(zip(encoded, outputs, strict=True))

    def _outputs_hold_anchors(self, batch: Batch) -> bool:
        """Whether ``batch.at_anchors`` equals the result of encoding the anchors separately."""
        whole_rows = batch.anchor_prefixes is None or not self.options.anchors_per_row
        by_length = self.options.right_aligned and self.abilities.counts_positions
        return whole_rows or not (by_length or self.options.attend_padding)

    def compare_views(self, loss: PairLoss, pair: ViewPair) -> Tensor:
        """Compares two views; one of them is complemented if the settings say so.

        Args:
            loss: Contrastive loss of two views.
            pair: The views.

        Returns:
            Scalar, without the weight of the contrastive term.

        Raises:
            UsageError: If a complementary encoder is asked for but has not been set.
        """
        if self._diagnostics is not None:
            self._diagnostics.look_at(pair.z_a, pair.z_b)
        if self.options.complement == "none":
            return loss(pair.z_a, pair.z_b)
        if self._complement is not None:
            return self._complement(loss, pair)
        raise UsageError(
            f"complement = {self.options.complement}: no encoder was pre-trained, which our own run does first; "
            "hand one over with complement_with(), or set complement to none"
        )

    def end_epoch(self, epoch: int) -> dict[str, float]:
        """The results of ``diagnostics_every``; methods may add their own statistics."""
        return {} if self._diagnostics is None else self._diagnostics.take()

    def named_losses(self, interaction: Interaction) -> dict[str, Tensor]:
        """The loss terms of a RecBole batch, by name.

        Raises:
            UsageError: If a complementary encoder is set but the method compares its views without it.
        """
        terms = super().named_losses(interaction)
        if self._complement is not None and self.draws_views and not self._complement.used:
            raise UsageError(
                f"complement = {self.options.complement}: {type(self).__name__} compares its views without "
                "self.compare_views(), so that nothing complements them; set it to none"
            )
        return terms
