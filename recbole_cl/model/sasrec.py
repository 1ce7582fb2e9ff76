"""SASRec with full-softmax cross-entropy: the yardstick of every table."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from recbole_cl.batch import Batch
from recbole_cl.config.papers import ByDataset, Papers, said
from recbole_cl.config.schema import MethodSettings
from recbole_cl.model.base import EncoderRecommender, EncoderRecommenderSettings


class SASRecSettings(EncoderRecommenderSettings):
    """Those of every encoder."""

    papers: ClassVar[Papers] = said(
        "SASRec, the authors' code and its commands",
        n_layers=2,
        n_heads=1,
        hidden_size=50,
        hidden_dropout_prob=ByDataset(ML_1M=0.2, others=0.5),
        attn_dropout_prob=ByDataset(ML_1M=0.2, others=0.5),
        MAX_ITEM_LIST_LENGTH=ByDataset(ML_1M=200, others=50),
        recommendation_loss="bce",
        train_form="sequence",
        train_batch_size=128,
        learner="adam",
        learning_rate=0.001,
    )


class SASRec(EncoderRecommender):
    r"""Self-attentive sequential recommendation, without contrast.

    .. math:: L = -\frac{1}{B} \sum_u \log \frac{\exp(h_u^\top e_{i_u})}{\sum_j \exp(h_u^\top e_j)}

    Reference:
        Kang and McAuley, "Self-Attentive Sequential Recommendation", ICDM 2018.

    Note:
        The paper trains with one sampled negative (binary cross-entropy); RecBole, and everybody who reports a
        strong SASRec, uses cross-entropy over all items.
    """

    settings: ClassVar[type[MethodSettings]] = SASRecSettings
    options: SASRecSettings

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        (hidden,) = self.encode(batch.supervised)
        return {"recommendation": self.recommendation_loss(hidden, batch.supervised_target, batch)}
