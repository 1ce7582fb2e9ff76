"""DuoRec: contrast between dropout views and between sequences that share a target."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field
from torch import Tensor

from recbole_cl.batch import Batch
from recbole_cl.config.papers import Among, Papers, said
from recbole_cl.config.schema import MethodSettings, NotNegative, OneOf, Positive
from recbole_cl.data.hooks import HookFactory
from recbole_cl.loss.info_nce import info_nce, same_target_mask
from recbole_cl.model.contrast.diagnostics import ViewGeometry
from recbole_cl.model.contrast.named_views import DROPOUT, SAME_TARGET, encode_pairs, hooks_of
from recbole_cl.model.contrastive import PLAIN, ContrastiveRecommender, ContrastiveSettings

PAIRS = {  # contrast -> term -> the two views
    "un": {"unsupervised": (PLAIN, DROPOUT)},
    "su": {"supervised": (PLAIN, SAME_TARGET)},
    "us": {"unsupervised": (PLAIN, DROPOUT), "supervised": (PLAIN, SAME_TARGET)},
    "us_x": {"supervised": (DROPOUT, SAME_TARGET)},
}


class DuoRecSettings(ContrastiveSettings):
    """Settings of DuoRec, with the symbols of the authors' code."""

    contrast: Annotated[str, OneOf(*PAIRS)]
    similarity: Literal["dot", "cosine"]
    temperature: Positive = Field(description="tau")
    unsupervised_weight: NotNegative = Field(description="lambda")
    supervised_weight: NotNegative = Field(description="lambda_sem")
    mask_same_target: bool

    papers: ClassVar[Papers] = {
        **said(
            "DuoRec, section 5.1.4",
            unsupervised_weight=Among(0.1, 0.2, 0.3, 0.4, 0.5),
            supervised_weight=Among(0.1, 0.2, 0.3, 0.4, 0.5),
            n_layers=2,
            n_heads=2,
            hidden_size=64,
            learner="adam",
            learning_rate=0.001,
        ),
        **said("DuoRec, section 4.3.3", mask_same_target=True),
        **said("DuoRec, section 5.1.1", MAX_ITEM_LIST_LENGTH=50),
    }


class DuoRec(ContrastiveRecommender):
    r"""Contrastive regularisation against representation degeneration.

    With :math:`h'` a second encoding of the same sequence (another dropout mask) and :math:`h_s` the encoding of
    another training sequence with the same target:

    * ``un`` (UCL in the paper): :math:`L = L_{rec} + \lambda\, NCE(h, h')`
    * ``su`` (SCL): :math:`L = L_{rec} + \lambda_{sem}\, NCE(h, h_s)`
    * ``us`` (UCL + SCL): both terms
    * ``us_x`` (DuoRec): :math:`L = L_{rec} + \lambda_{sem}\, NCE(h', h_s)`

    Reference:
        Qiu, Huang, Yin and Wang, "Contrastive Learning for Representation Degeneration Problem in Sequential
        Recommendation", WSDM 2022, Eq. 10-15.

    Note:
        As in the authors' code, NCE is the mean over the 2B rows of both directions (the paper sums the directions),
            and rows with the same target stay among the negatives unless ``mask_same_target`` is set.
    """

    settings: ClassVar[type[MethodSettings]] = DuoRecSettings
    options: DuoRecSettings

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        self.geometry = ViewGeometry()

    @property
    def compares_views(self) -> bool:
        """Whether the weights leave a contrastive term."""
        return any(map(self._weight, PAIRS[self.options.contrast]))

    @property
    def batch_hooks(self) -> Mapping[str, HookFactory]:
        """Sequences with the same target, if a term compares with them."""
        return hooks_of([view for pair in PAIRS[self.options.contrast].values() for view in pair])

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        hidden, pairs, _ = encode_pairs(self, batch, PAIRS[self.options.contrast])
        mask = same_target_mask(batch.anchor_target) if self.options.mask_same_target else None
        options = self.options
        loss = partial(info_nce, temperature=options.temperature, similarity=options.similarity, negative_mask=mask)
        terms = {"recommendation": self.recommendation_loss(hidden, batch.supervised_target, batch)}
        for name, pair in pairs.items():
            terms[name] = self._weight(name) * self.compare_views(loss, pair)
            self.geometry.look_at(pair.z_a, pair.z_b)
        return terms

    def _weight(self, name: str) -> float:
        return self.options.supervised_weight if name == "supervised" else self.options.unsupervised_weight

    def end_epoch(self, epoch: int) -> dict[str, float]:
        """Alignment and uniformity of the views that were compared (Figure 5)."""
        return super().end_epoch(epoch) | self.geometry.take()
