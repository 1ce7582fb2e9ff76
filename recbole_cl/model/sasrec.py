"""SASRec with full-softmax cross-entropy: the baseline of every table."""

from __future__ import annotations

from torch import Tensor

from recbole_cl.batch import Batch
from recbole_cl.model.base import EncoderRecommender


class SASRec(EncoderRecommender):
    r"""Self-attentive sequential recommendation, without contrast.

    .. math:: L = -\frac{1}{B} \sum_u \log \frac{\exp(h_u^\top e_{i_u})}{\sum_j \exp(h_u^\top e_j)}

    Reference:
        Kang and McAuley, "Self-Attentive Sequential Recommendation", ICDM 2018.

    Note:
        The paper trains with one sampled negative (binary cross-entropy). RecBole, and all who report a strong SASRec,
            use cross-entropy over all items.
    """

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        (hidden,) = self.encode(batch.supervised)
        return {"recommendation": self.recommendation_loss(hidden, batch.supervised_target, batch)}
