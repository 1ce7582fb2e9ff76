"""Thresholds on the similarity of in-batch negatives, which separate false negatives from true ones.

Letters: B batch. The functions take the similarities of the 2B rows of two views, before any temperature, as
`similarity_matrix` gives them: view a's B rows, then view b's. A row's negatives are the 2B - 2 others that are not
its other view.
"""

from __future__ import annotations

import torch
from torch import Tensor

STATISTICS = ("percentile", "mean", "median")
DISTANCES = ("norm", "squared_norm")


def is_negative(similarity: Tensor) -> Tensor:
    """Which rows are negatives of each other.

    Args:
        similarity: Similarities of the 2B rows; only their number is used.

    Shape:
        similarity: [2B, 2B]; result: [2B, 2B], bool.

    Returns:
        True for the negatives, False on the diagonal and for a row's other view.
    """
    place = torch.arange(similarity.size(0), device=similarity.device).remainder(similarity.size(0) // 2)
    return place.unsqueeze(1) != place  # [2B, 2B]


def negative_pairs(similarity: Tensor) -> Tensor:
    """The similarity of every pair of negatives, each pair once.

    Args:
        similarity: Similarities of the 2B rows.

    Shape:
        similarity: [2B, 2B]; result: [2B(B-1)].

    Returns:
        The values, in no particular order and without gradient.
    """
    matrix, batch = similarity.detach(), similarity.size(0) // 2
    above_diagonal = torch.ones(batch, batch, dtype=torch.bool, device=matrix.device).triu(1)
    # A triangle of each view's own square forms one square; diagonals hold no negatives, neither here nor between the
    # views.
    within = torch.where(above_diagonal, matrix[:batch, :batch], matrix[batch:, batch:])
    squares = torch.stack((within, matrix[:batch, batch:])).flatten(1)  # [2, B * B]
    return squares[:, 1:].view(2, batch - 1, batch + 1)[:, :, :-1].flatten()  # drops the diagonal elements


def negative_statistic(pairs: Tensor, statistic: str, percentile: float) -> Tensor:
    """A statistic of the similarities of all negatives of a batch: a threshold, or the reference of a learned one.

    Reference:
        Jeon et al., "AdaptiveRec: Adaptively Construct Pairs for Contrastive Learning in Sequential Recommendation",
        2023, section 3.2.1.

    Args:
        pairs: Similarities of the pairs of negatives, as `negative_pairs` gives them.
        statistic: "percentile", "mean" or "median".
        percentile: Share of the negatives below the percentile, in [0, 1]; 0.9 in the paper.

    Shape:
        pairs: [2B(B-1)] with B >= 2; result: scalar.

    Returns:
        The statistic.

    Raises:
        ValueError: If the statistic is unknown or there is no negative.

    Note:
        As in the authors' code, the percentile is element number int(percentile * n) of the n sorted similarities,
            counted from 0, and the median is the lower of the two middle elements. There, n is 2B(2B-2): every pair
            occurs twice.
    """
    _check_statistic(statistic, len(pairs))
    if statistic == "mean":
        return pairs.mean()
    count = 2 * len(pairs)
    place = min(int(percentile * count), count - 1) if statistic == "percentile" else (count - 1) // 2
    return pairs.kthvalue(place // 2 + 1).values


def row_statistic(similarity: Tensor, statistic: str, percentile: float) -> Tensor:
    """The same statistic for the negatives of each row: a separate threshold for each row.

    Reference:
        Jeon et al. (AdaptiveRec), 2023, Eq. 5-6 and section 3.2.1.

    Args:
        similarity: Similarities of the 2B rows.
        statistic: "percentile", "mean" or "median".
        percentile: Share of a row's negatives that are not above it, in [0, 1]; 0.9 in the paper.

    Shape:
        similarity: [2B, 2B] with B >= 2; result: [2B].

    Returns:
        The statistics, without gradient; -inf if the percentile leaves no negative.

    Raises:
        ValueError: If the statistic is unknown or there is no negative.

    Note:
        As in the authors' code, 2 int(percentile * B) negatives are not above the percentile.
    """
    rows = similarity.size(0)
    _check_statistic(statistic, rows - 2)
    matrix, negative = similarity.detach(), is_negative(similarity)
    if statistic == "mean":
        return matrix.masked_fill(~negative, 0).sum(1) / (rows - 2)
    kept = min(2 * int(percentile * (rows // 2)), rows - 2) if statistic == "percentile" else rows // 2 - 1
    if kept == 0:
        return matrix.new_full((rows,), -torch.inf)
    return matrix.masked_fill(~negative, torch.inf).kthvalue(kept, dim=1).values


def share_above(similarity: Tensor, threshold: Tensor) -> Tensor:
    """Share of the negatives that are above the threshold.

    Args:
        similarity: Similarities of the 2B rows.
        threshold: One threshold for all rows, or one for each.

    Shape:
        similarity: [2B, 2B] with B >= 2; threshold: scalar or [2B]; result: scalar.

    Returns:
        The share, in [0, 1].
    """
    rows = similarity.size(0)
    above = (similarity > threshold.unsqueeze(-1)) & is_negative(similarity)
    return above.sum().to(similarity.dtype) / (rows * (rows - 2))


def threshold_distance(threshold: Tensor, reference: Tensor, form: str = "norm") -> Tensor:
    """Distance of learned thresholds from a statistical one: the regulariser that keeps them from collapsing.

    Reference:
        Jeon et al. (AdaptiveRec), 2023, section 3.2.2 and appendix A.

    Args:
        threshold: Learned thresholds.
        reference: The statistical threshold: the mean over the last epoch's batches.
        form: "norm" or "squared_norm" of the difference; either grows with B.

    Shape:
        threshold: [B]; reference: scalar; result: scalar.

    Returns:
        The distance.

    Raises:
        ValueError: If the form is unknown.

    Note:
        The paper squares the norm, the authors' code does not.
    """
    if form not in DISTANCES:
        raise ValueError(f"form is {form!r}; it must be one of {', '.join(DISTANCES)}")
    difference = threshold - reference
    return difference.square().sum() if form == "squared_norm" else torch.linalg.vector_norm(difference)


def _check_statistic(statistic: str, negatives: int) -> None:
    if statistic not in STATISTICS:
        raise ValueError(f"statistic is {statistic!r}; it must be one of {', '.join(STATISTICS)}")
    if not negatives:
        raise ValueError("a batch of 1 has no negatives; a statistic needs at least 2 rows")
