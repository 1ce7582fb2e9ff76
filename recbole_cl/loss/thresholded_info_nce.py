"""InfoNCE with a threshold: in-batch negatives above it are treated as false.

Letters: B batch. The 2B rows are view a's B rows, then view b's, and the positive of row i is row (i + B) mod 2B.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from recbole_cl.loss.false_negatives import is_negative

COMPARISONS = ("hard", "straight_through", "sigmoid")
_WITH_POSITIVES = ("soft_labels", "extra_positives", "weighted_positives")
OBJECTIVES = ("exclude_above", "exclude_below", *_WITH_POSITIVES)

# Limit of a dropped negative's logit over the kept ones': bounds the gradient to the threshold. It changes a value only
# if a negative with a sigmoid weight below exp(-30) would outweigh all others.
_LARGEST_EXPONENT = 30.0


def thresholded_info_nce(
    similarity: Tensor,
    threshold: Tensor,
    objective: str = "soft_labels",
    temperature: float = 1.0,
    comparison: str = "hard",
    width: float = 0.1,
) -> Tensor:
    r"""InfoNCE that treats negatives above a threshold as what they probably are: false.

    With :math:`s` the similarity divided by the temperature, :math:`i^+` the other view of row :math:`i`,
    :math:`M^-` its negatives up to the threshold and :math:`M^+` those above it, and

    .. math:: \ell_j = \log \sum_{k \in D} e^{s_{ik}} - s_{ij}

    the loss of row :math:`i` is

    * ``exclude_above`` (Eq. 8): :math:`\ell_{i^+}` with :math:`D = M^- \cup \{i^+\}`;
    * ``exclude_below``: the same with :math:`M^+` in place of :math:`M^-`, so that only hard negatives are left;
    * ``soft_labels``: :math:`\frac{1}{2} \ell_{i^+} + \frac{1}{2 |M^+|} \sum_{j \in M^+} \ell_j`, with
      :math:`D = M^- \cup M^+ \cup \{i^+\}`; the first weight is :math:`1 - \frac{1}{2}\min(1, |M^+|)` with a comparison
      that has a gradient;
    * ``extra_positives`` (Eq. 9): :math:`\ell_{i^+} + \log 2 + \sum_{j \in M^+} (\ell_j + \log 2 |M^+|)`, with
      :math:`D = M^- \cup \{i^+\}`;
    * ``weighted_positives``: as ``soft_labels``, with :math:`D = M^- \cup \{i^+\}`.

    Reference:
        Jeon et al., "AdaptiveRec: Adaptively Construct Pairs for Contrastive Learning in Sequential Recommendation",
        2023, Eq. 8 and 9.

    Args:
        similarity: Similarities of the 2B rows; cosines where the threshold is learned.
        threshold: One threshold for all rows, or one for each; +inf treats every negative as true.
        objective: One of the above.
        temperature: Divisor of the similarities in the loss, > 0; 1.0 in the authors' code. The threshold is compared
            with the undivided similarities.
        comparison: The weight with which a negative counts as above the threshold. "hard": 0 or 1, no gradient to the
            threshold; "straight_through": 0 or 1, with the gradient of "sigmoid"; "sigmoid": sigmoid((similarity -
            threshold) / width).
        width: Width of that sigmoid, > 0; 0.05 to 0.2 for cosines.

    Shape:
        similarity: [2B, 2B]; threshold: scalar or [2B]; result: scalar.

    Returns:
        The mean over the 2B rows. The mean and its gradients are finite, even if all or none of the negatives are
        above.

    Raises:
        ValueError: If the objective or the comparison is unknown, or the temperature or the width is not positive.

    Note:
        Eq. 8 and 9 sum over the 2B rows; the authors' code uses the mean. ``soft_labels`` is what that code trains
            ("all our experiments" of the paper, which prints Eq. 9). If no negative is above the threshold, the labels
            of a row sum to 1/2 there, and also here with "hard". A threshold with a gradient would learn to halve the
            loss in this way, so with the other comparisons the positive gets the remaining share. In Eq. 9 the weights
            are inside the logarithm, where they only add constants; ``weighted_positives`` is what the paper's text
            describes. The comparison gives no gradient to the similarities: the encoder should not move a pair across
            the threshold for this reason. In the authors' code, exclusion still keeps a negative within 1e-7 above the
            threshold.
    """
    _check_options(objective, comparison, temperature, width)
    above = _above(similarity, threshold, comparison, width)  # [2B, 2B]
    logits = similarity / temperature
    normaliser = _log_normaliser(logits, above, objective)  # [2B]
    batch = similarity.size(0) // 2
    loss = normaliser - torch.cat((logits.diagonal(batch), logits.diagonal(-batch)))
    if objective in _WITH_POSITIVES:
        weight = above.sum(dim=1)  # [2B], |M+|
        count = weight.clamp(min=1)
        others = weight * normaliser - (above * logits).sum(dim=1)
        if objective == "extra_positives":
            loss = loss + math.log(2) + others + weight * (2 * count).log()
        else:
            shared = 0.5 if comparison == "hard" else weight.clamp(max=1) / 2  # the label's share for those above
            loss = (1 - shared) * loss + others / count / 2
    return loss.mean()


def _above(similarity: Tensor, threshold: Tensor, comparison: str, width: float) -> Tensor:
    """The degree to which each negative counts as above the threshold, 0 to 1; 0 for all other pairs."""
    difference = similarity.detach() - threshold.unsqueeze(-1)
    above = (difference > 0).to(similarity.dtype)
    if comparison != "hard":
        soft = (difference / width).sigmoid()
        above = soft if comparison == "sigmoid" else above + (soft - soft.detach())
    return above.masked_fill(~is_negative(similarity), 0)


def _log_normaliser(logits: Tensor, above: Tensor, objective: str) -> Tensor:
    """Log of the sum over D for each row; differentiable with respect to ``above`` if that determines D."""
    if objective == "soft_labels":
        own = torch.eye(len(logits), dtype=torch.bool, device=logits.device)
        return logits.masked_fill(own, -torch.inf).logsumexp(dim=1)
    kept = above if objective == "exclude_below" else 1 - above
    kept = kept.masked_fill(~is_negative(logits), 1).fill_diagonal_(0)  # always the positive, never the row itself
    with torch.no_grad():
        shift = (logits + kept.log()).logsumexp(dim=1, keepdim=True)  # the result itself
    # A masked logsumexp would give no gradient with respect to weights that are 0.
    exponents = (logits - shift).clamp(max=_LARGEST_EXPONENT)
    return shift.squeeze(1) + (kept * exponents.exp()).sum(dim=1).log()


def _check_options(objective: str, comparison: str, temperature: float, width: float) -> None:
    _check_choice("objective", objective, OBJECTIVES)
    _check_choice("comparison", comparison, COMPARISONS)
    for name, value in (("temperature", temperature), ("width", width)):
        if not value > 0:
            raise ValueError(f"{name} is {value}; it must be greater than 0")


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name} is {value!r}; it must be one of {', '.join(choices)}")
