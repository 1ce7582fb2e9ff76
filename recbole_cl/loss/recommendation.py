"""Recommendation losses: hidden states against the item table.

Letters: T rows (sequences, or positions of sequences), D hidden size, N items (rows of the table), M shared negatives,
n negatives of a row. The caller selects the rows, so no loss needs to know about padding.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

LOG_EPSILON = math.log(1e-24)
_FEW = 16  # items per negative of a row: with 1,350 items and 1,000 negatives, an eighteenth of the time


def cross_entropy(hidden: Tensor, item_table: Tensor, target: Tensor) -> Tensor:
    """Softmax cross-entropy over all rows of the item table, mean over rows.

    Args:
        hidden: State that predicts the next item.
        item_table: Item embeddings; pass a slice to exclude a mask token from the softmax.
        target: The next items.

    Shape:
        hidden: [T, D]; item_table: [N, D]; target: [T]; result: scalar.

    Returns:
        The mean loss. `chunked_cross_entropy` gives the same value in bounded memory, and faster.
    """
    return F.cross_entropy(hidden @ item_table.t(), target)


def smoothing(hidden: Tensor, item_table: Tensor, target: Tensor, share: float) -> Tensor:
    r"""The term that label smoothing adds to a cross-entropy, in the time of one score per row.

    Labels that give an equal share to all N items change :math:`\log Z - s_t` into
    :math:`\log Z - (1 - \epsilon) s_t - \epsilon \bar s`. Scores are products with the items, so their mean is the
    product with the mean item, and the difference is :math:`\epsilon\, h^\top (e_t - \bar e)`.

    Reference:
        Szegedy, Vanhoucke, Ioffe, Shlens and Wojna, "Rethinking the Inception Architecture for Computer Vision", CVPR
        2016, section 7.

    Args:
        hidden: State that predicts the next item.
        item_table: Item embeddings, as for the cross-entropy.
        target: The item that came next.
        share: Epsilon, in [0, 1).

    Shape:
        hidden: [T, D]; item_table: [N, D]; target: [T]; result: scalar.

    Returns:
        The mean over rows, to be added to the mean cross-entropy.
    """
    above_mean = F.embedding(target, item_table) - item_table.mean(dim=0)  # [T, D]
    return share * (hidden * above_mean).sum(dim=-1).mean()


def sampled_softmax(
    hidden: Tensor,
    item_table: Tensor,
    target: Tensor,
    negatives: Tensor,
    log_q_target: Tensor,
    log_q_negative: Tensor,
) -> Tensor:
    """Softmax cross-entropy over the target and negatives shared by all rows, with logQ correction.

    A candidate's score is lowered by the log of its expected number of occurrences among the candidates. A target that
        is always added has an expected count of 1 (log 0); each of M draws with replacement from q has an expected
        count of M q. The normaliser is then an unbiased estimate of the full softmax's, and the loss approaches
        cross-entropy as M grows.

    Reference:
        Bengio & Senecal, "Adaptive Importance Sampling to Accelerate Training of a Neural Probabilistic Language
        Model", IEEE TNN 2008; Blanc & Rendle, "Adaptive Sampled Softmax with Kernel Based Sampling", ICML 2018,
        Eq. 2; for targets that are sampled themselves (in-batch negatives), Yi et al., "Sampling-Bias-Corrected Neural
        Modeling for Large Corpus Item Recommendations", RecSys 2019, section 3.

    Args:
        hidden: State that predicts the next item.
        item_table: Item embeddings.
        target: The item that came next.
        negatives: Sampled items, 100 to 10,000; one that equals a row's target is ignored for that row.
        log_q_target: Log of the expected count of each target; 0 if targets are always added.
        log_q_negative: Log of the expected count of each negative: log M + log q for M draws from q.

    Shape:
        hidden: [T, D]; item_table: [N, D]; target, log_q_target: [T]; negatives, log_q_negative: [M]; result: scalar.

    Returns:
        The mean loss.
    """
    positive = _score(hidden, item_table, target) - log_q_target  # [T]
    negative = hidden @ F.embedding(negatives, item_table).t() - log_q_negative  # [T, M]
    negative = negative.masked_fill(target.unsqueeze(1) == negatives, -torch.inf)
    logits = torch.cat((positive.unsqueeze(1), negative), dim=1)  # [T, M+1]
    return F.cross_entropy(logits, torch.zeros_like(target))


def bpr(hidden: Tensor, item_table: Tensor, target: Tensor, negative: Tensor) -> Tensor:
    """Bayesian personalised ranking, -log sigmoid(positive - negative), mean over rows.

    Reference:
        Rendle et al., "BPR: Bayesian Personalized Ranking from Implicit Feedback", UAI 2009, section 4.1.

    Args:
        hidden: State that predicts the next item.
        item_table: Item embeddings.
        target: The item that came next.
        negative: One sampled item per row.

    Shape:
        hidden: [T, D]; item_table: [N, D]; target, negative: [T]; result: scalar.

    Returns:
        The mean loss.

    Note:
        RecBole adds 1e-10 inside the logarithm; softplus needs no such guard.
    """
    return F.softplus(_score(hidden, item_table, negative) - _score(hidden, item_table, target)).mean()


def bce(hidden: Tensor, item_table: Tensor, target: Tensor, negative: Tensor) -> Tensor:
    """Binary cross-entropy of the target against one negative, mean over rows.

    Reference:
        Kang & McAuley, "Self-Attentive Sequential Recommendation", ICDM 2018, section III-E, with the 1e-24 of
        CoSeRec's code inside both logarithms.

    Args:
        hidden: State that predicts the next item.
        item_table: Item embeddings.
        target: The item that came next.
        negative: One sampled item per row.

    Shape:
        hidden: [T, D]; item_table: [N, D]; target, negative: [T]; result: scalar.

    Returns:
        The mean loss; one row contributes at most 2 * 55.3.

    Note:
        Computed from log-sigmoids. The authors' 1 - sigmoid(x) rounds to 0 in float32 from x = 17 on, where its
            gradient is lost; here the gradient is kept until the 1e-24 dominates.
    """
    positive = F.logsigmoid(_score(hidden, item_table, target))
    rejected = F.logsigmoid(-_score(hidden, item_table, negative))
    return -(_log_add_epsilon(positive) + _log_add_epsilon(rejected)).mean()


def gbce(hidden: Tensor, item_table: Tensor, target: Tensor, negatives: Tensor, calibration: float) -> Tensor:
    r"""Generalised binary cross-entropy of the target against n sampled negatives, mean over rows.

    .. math:: -\frac{1}{n + 1} \Big(\beta \log \sigma(s_+) + \sum_j \log (1 - \sigma(s_j))\Big), \qquad
        \beta = 1 - t (1 - \alpha), \quad \alpha = \frac{n}{M - 1}

    Reference:
        Petrov and Macdonald, "gSASRec: Reducing Overconfidence in Sequential Recommendation Trained with Negative
        Sampling", RecSys 2023.

    Args:
        hidden: State that predicts the next item.
        item_table: Item embeddings; row 0 is padding, so M is the number of items.
        target: The item that came next.
        negatives: Items of each row, drawn uniformly, with replacement; one that equals the target is used like any
            other.
        calibration: t, in [0, 1]: 0 is plain binary cross-entropy with n negatives, 1 makes scores calibrated.

    Shape:
        hidden: [T, D]; item_table: [M + 1, D]; target: [T]; negatives: [T, n]; result: scalar.

    Returns:
        The mean loss.

    Note:
        The authors' code transforms the positive's score and clamps intermediate values. This caps the loss, and loses
            the gradient, from |s| = 23 on; here it does not happen.
    """
    n = negatives.shape[1]
    beta = 1 - calibration * (1 - n / (item_table.shape[0] - 2))
    positive = F.logsigmoid(_score(hidden, item_table, target))
    rejected = F.logsigmoid(-_scores(hidden, item_table, negatives)).sum(dim=1)
    return -(beta * positive + rejected).mean() / (n + 1)


def uncorrected_softmax(hidden: Tensor, item_table: Tensor, target: Tensor, negatives: Tensor) -> Tensor:
    """Softmax cross-entropy of each target against its own sampled negatives, without correction, mean over rows.

    Reference:
        The loss of "eSASRec: Enhancing Transformer-based Recommendations in a Modular Fashion", RecSys 2025.

    Args:
        hidden: State that predicts the next item.
        item_table: Item embeddings.
        target: The item that came next.
        negatives: Items of each row, drawn uniformly, with replacement; one that equals the target is used like any
            other.

    Shape:
        hidden: [T, D]; item_table: [N, D]; target: [T]; negatives: [T, n]; result: scalar.

    Returns:
        The mean loss.
    """
    positive = _score(hidden, item_table, target).unsqueeze(1)
    logits = torch.cat((positive, _scores(hidden, item_table, negatives)), dim=1)  # [T, n + 1]
    return F.cross_entropy(logits, torch.zeros_like(target))


def _scores(hidden: Tensor, item_table: Tensor, items: Tensor) -> Tensor:
    if len(item_table) <= _FEW * items.shape[1]:  # computing all scores needs less memory than gathering all vectors
        return (hidden @ item_table.T).gather(1, items)
    return (F.embedding(items, item_table) @ hidden.unsqueeze(2)).squeeze(2)  # [T, n]


def _score(hidden: Tensor, item_table: Tensor, item: Tensor) -> Tensor:
    return (hidden * F.embedding(item, item_table)).sum(dim=-1)  # [T]


def _log_add_epsilon(log_probability: Tensor) -> Tensor:
    return torch.logaddexp(log_probability, torch.full_like(log_probability, LOG_EPSILON))
