"""In-batch contrast with a similarity threshold: a part for any method with two views.

Letters: B rows of a view, D hidden size.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from recbole_cl.config.papers import Papers, said
from recbole_cl.config.schema import Count, MethodSettings, NotNegative, OneOf, Positive, Share
from recbole_cl.errors import UsageError
from recbole_cl.loss.false_negatives import (
    DISTANCES,
    STATISTICS,
    negative_pairs,
    negative_statistic,
    row_statistic,
    share_above,
    threshold_distance,
)
from recbole_cl.loss.geometry import alignment, uniformity
from recbole_cl.loss.info_nce import SIMILARITIES, similarity_matrix
from recbole_cl.loss.thresholded_info_nce import COMPARISONS, OBJECTIVES, thresholded_info_nce
from recbole_cl.model.contrast.diagnostics import EpochMeans
from recbole_cl.model.contrast.threshold_network import FlatThreshold, PerRowThreshold

_QUANTILES = (0.1, 0.5, 0.9, 0.99)
_SAMPLE = 16_384  # negative pairs of a batch used for the recorded quantiles


class ThresholdSettings(MethodSettings):
    """Settings of the contrast with a threshold, with the paper's symbols."""

    similarity: Annotated[str, OneOf(*SIMILARITIES)]
    temperature: Positive = Field(description="tau")
    objective: Annotated[str, OneOf(*OBJECTIVES)]
    similarity_threshold: Literal["learned", "batch", "row", "last_epoch"] = Field(description="k")
    threshold_statistic: Annotated[str, OneOf(*STATISTICS)]
    threshold_percentile: Share = Field(description="k_stat")
    threshold_network: Literal["per_row", "flat"]
    max_flat_parameters: Count
    comparison: Annotated[str, OneOf(*COMPARISONS)]
    comparison_width: Positive
    threshold_weight: NotNegative = Field(description="lambda_cl lambda")
    threshold_distance: Annotated[str, OneOf(*DISTANCES)]

    papers: ClassVar[Papers] = {
        **said("AdaptiveRec, section 3.2.1", threshold_statistic="percentile", threshold_percentile=0.9),
        **said("AdaptiveRec, section 3.2.2", similarity_threshold="learned", threshold_distance="squared_norm"),
        **said("AdaptiveRec, Eq. 7", threshold_network="flat"),
        **said("AdaptiveRec, Eq. 9", objective="extra_positives"),
        **said("AdaptiveRec, appendix A", similarity="cosine"),
    }


class ThresholdedContrast(nn.Module):
    """InfoNCE between two views, with a threshold that separates false negatives from true ones.

    The setting ``similarity_threshold`` chooses the threshold:

    * ``learned``: the output of a small network, one for each row (section 3.2.2 of the paper);
    * ``batch``: the statistic of the batch's negatives;
    * ``row``: the statistic of each row's negatives (Eq. 5-6);
    * ``last_epoch``: the mean statistic of the last epoch's batches, weighted by their rows; in the first epoch,
        nothing is above the threshold.

    A method adds ``ThresholdSettings`` to its own settings, calls ``learned`` once per batch and the module itself for
        each pair of views, adds ``regulariser`` to its loss, and reports what ``end_epoch`` returns.

    Reference:
        Jeon et al., "AdaptiveRec: Adaptively Construct Pairs for Contrastive Learning in Sequential Recommendation",
        2023, section 3.2.

    Args:
        options: The settings.
        hidden_size: D.
        most_rows: Number of rows of a full batch; a flat network is built for this number.

    Raises:
        UsageError: If settings do not fit together, or a flat network has too many parameters.
    """

    reference: Tensor
    quantiles: Tensor

    def __init__(self, options: ThresholdSettings, hidden_size: int, most_rows: int) -> None:
        super().__init__()
        _refuse_misfits(options)
        self.options = options
        self.network: nn.Module | None = None
        self.source: str = options.similarity_threshold
        if self.source == "learned" and options.threshold_network == "per_row":
            self.network = PerRowThreshold(hidden_size)
        elif self.source == "learned":
            self.network = FlatThreshold(hidden_size, most_rows, options.max_flat_parameters)
        quantiles = [_quantile_name(share) for share in _QUANTILES]
        figures = ("threshold", "threshold_square", "statistic", "share_above", "alignment", "uniformity", *quantiles)
        self.means = EpochMeans(figures)
        self._batch_statistic: Tensor | None = None
        self.register_buffer("reference", torch.tensor(torch.inf))  # the last epoch's mean statistic
        self.register_buffer("quantiles", torch.tensor(_QUANTILES), persistent=False)  # avoids a copy in every step

    def learned(self, hidden: Tensor) -> Tensor | None:
        """The network's threshold for each row, for ``forward`` and ``regulariser``; None if none is learned.

        With a hard comparison, the regulariser also trains the encoder, as in the authors' code. Otherwise it trains
        only the network: the encoder should not move rows because of their thresholds, and ``threshold_weight`` may
        then be as large as needed.

        Args:
            hidden: Representations of the rows. Shape [B, D].

        Returns:
            Thresholds in (-1.05, 1.05). Shape [B].
        """
        if self.network is None:
            return None
        if self.options.comparison != "hard":
            hidden = hidden.detach()
        with torch.autocast(hidden.device.type, enabled=False):  # bfloat16 has only 128 numbers from 0.5 to 1
            weight = next(self.network.parameters())
            threshold: Tensor = self.network(hidden.to(weight.dtype))
        return threshold

    def forward(self, z_a: Tensor, z_b: Tensor, learned: Tensor | None = None) -> Tensor:
        """The loss of a pair of views; its statistics are recorded.

        Args:
            z_a: First view. Shape [B, D].
            z_b: Second view. Shape [B, D].
            learned: The result of ``learned``, used for both views. Shape [B].

        Returns:
            Scalar.
        """
        options = self.options
        similarity = similarity_matrix(z_a, z_b, 1.0, options.similarity)  # [2B, 2B]
        threshold = torch.full_like(self.reference, torch.inf)
        if len(z_a) > 1:
            pairs = negative_pairs(similarity)
            statistic = negative_statistic(pairs, options.threshold_statistic, options.threshold_percentile)
            threshold = self._threshold(similarity, statistic, learned)
            self._batch_statistic = statistic
            self._record(z_a, z_b, similarity, threshold, statistic, pairs)
        return thresholded_info_nce(
            similarity,
            threshold,
            options.objective,
            options.temperature,
            options.comparison,
            options.comparison_width,
        )

    def regulariser(self, learned: Tensor) -> Tensor:
        """Weighted distance of learned thresholds to the last epoch's mean statistic.

        The first epoch has no such statistic. With a hard comparison the regulariser is then 0, as in the authors'
        code. With the other comparisons the contrastive term moves the threshold, which would collapse within the first
        epoch; so the statistic of the last batch is used instead.

        Args:
            learned: The result of ``learned``. Shape [B].

        Returns:
            Scalar.
        """
        reference = self.reference
        if self.options.comparison != "hard" and self._batch_statistic is not None:
            reference = reference.where(reference.isfinite(), self._batch_statistic)
        known = reference.isfinite()
        distance = threshold_distance(learned, reference.where(known, 0), self.options.threshold_distance)
        return self.options.threshold_weight * known * distance

    def end_epoch(self) -> dict[str, float]:
        """Makes the epoch's mean statistic the next one's reference.

        Returns:
            The epoch's means: threshold and its standard deviation over rows and batches, statistic, share of negatives
                above the threshold, quantiles of their similarities, alignment and uniformity of the views.
        """
        figures = self.means.take()
        if not figures:
            return {}
        self.reference.fill_(figures["statistic"])
        variance = figures.pop("threshold_square") - figures["threshold"] ** 2
        figures["threshold_spread"] = math.sqrt(max(variance, 0.0)) if math.isfinite(variance) else math.nan
        return {name: value for name, value in figures.items() if math.isfinite(value)}

    def _threshold(self, similarity: Tensor, statistic: Tensor, learned: Tensor | None) -> Tensor:
        """One threshold for all 2B rows, or [2B]."""
        if learned is not None:
            return learned.repeat(2)
        if self.source == "row":
            return row_statistic(similarity, self.options.threshold_statistic, self.options.threshold_percentile)
        return self.reference if self.source == "last_epoch" else statistic

    @torch.no_grad()
    def _record(
        self, z_a: Tensor, z_b: Tensor, similarity: Tensor, threshold: Tensor, statistic: Tensor, pairs: Tensor
    ) -> None:
        z_a, z_b = z_a.to(similarity.dtype), z_b.to(similarity.dtype)  # bfloat16 is too inexact for distances
        sample = pairs[:: math.ceil(len(pairs) / _SAMPLE)]
        quantiles = sample.quantile(self.quantiles.to(sample.dtype))
        self.means.add(
            len(z_a),  # a small batch, such as a last one of two rows, has an unreliable statistic
            threshold=threshold.mean(),
            threshold_square=threshold.square().mean(),
            statistic=statistic,
            share_above=share_above(similarity, threshold),
            alignment=alignment(z_a, z_b),
            uniformity=uniformity(z_a),
            **{_quantile_name(share): value for share, value in zip(_QUANTILES, quantiles, strict=True)},
        )


def thresholded_contrast(options: Any, batch_size: int) -> ThresholdedContrast:
    """The contrast with a threshold, for a method and its training.

    Args:
        options: The method's settings, among them those of ``ThresholdSettings``.
        batch_size: Rows of a full batch.

    Raises:
        UsageError: If settings do not fit together, or a flat network has too many parameters.
    """
    if options.complement != "none" and options.complement_form == "loss":
        raise UsageError(
            "complement_form = loss: the frozen encoder would enter the threshold's statistic; set it to add"
        )
    anchors = max(options.anchors_per_row, 1) if options.train_form == "sequence" else 1
    return ThresholdedContrast(options, options.hidden_size, batch_size * anchors)


def _quantile_name(share: float) -> str:
    return f"similarity_p{100 * share:.0f}"


def _refuse_misfits(options: ThresholdSettings) -> None:
    """Refuses settings that would have no effect, or not the intended one."""
    source, comparison = options.similarity_threshold, options.comparison
    learned = source == "learned"
    if learned and options.similarity == "dot":
        raise UsageError(
            "similarity = dot: a learned threshold lies between -1.05 and 1.05, as cosines do; set similarity to "
            "cosine or similarity_threshold to batch, row or last_epoch"
        )
    if learned and comparison == "hard" and options.threshold_weight == 0:
        raise UsageError(
            "threshold_weight = 0: with comparison = hard nothing else trains the threshold; raise it or set "
            "comparison to straight_through or sigmoid"
        )
    if not learned and comparison == "straight_through":
        raise UsageError(
            f"comparison = straight_through: similarity_threshold = {source} takes no gradient; set "
            "comparison to hard or sigmoid, or similarity_threshold to learned"
        )
