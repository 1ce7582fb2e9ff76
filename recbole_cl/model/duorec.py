"""DuoRec: contrast between dropout views and between sequences that share a target."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field
from torch import Tensor

from recbole_cl.batch import Batch, Rows
from recbole_cl.config.papers import Among, Papers, said
from recbole_cl.config.schema import MethodSettings, NotNegative, OneOf, Positive
from recbole_cl.data.hooks import HookFactory
from recbole_cl.data.same_target import SameTarget
from recbole_cl.loss.info_nce import info_nce, same_target_mask
from recbole_cl.model.contrast.diagnostics import ViewGeometry
from recbole_cl.model.contrast.pairs import ViewPair, ViewPairs
from recbole_cl.model.contrastive import PLAIN, ContrastiveRecommender, ContrastiveSettings

_SAME_TARGET = "same_target"
_PAIRS = {  # contrast -> (term, one view, the other view)
    "un": [("unsupervised", PLAIN, "dropout")],
    "su": [("supervised", PLAIN, _SAME_TARGET)],
    "us": [("unsupervised", PLAIN, "dropout"), ("supervised", PLAIN, _SAME_TARGET)],
    "us_x": [("supervised", "dropout", _SAME_TARGET)],
}
CONTRASTS = tuple(_PAIRS)


class DuoRecSettings(ContrastiveSettings):
    """Settings of DuoRec, with the symbols of the authors' code."""

    contrast: Annotated[str, OneOf(*CONTRASTS)]
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
        As in the authors' code, NCE is the mean over the 2B rows of both directions (the paper sums the directions)
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
        return any(self._weight(name) for name, *_ in _PAIRS[self.options.contrast])

    @property
    def batch_hooks(self) -> Mapping[str, HookFactory]:
        """Sequences with the same target, where a term compares with them."""
        return duorec_hooks(self.options.contrast)

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        hidden, pairs, _ = duorec_pairs(self, self.options.contrast, batch)
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


def duorec_hooks(contrast: str) -> Mapping[str, HookFactory]:
    """What pairs of that kind need drawn for each anchor."""
    return {_SAME_TARGET: SameTarget} if any(_SAME_TARGET in pair for pair in _PAIRS[contrast]) else {}


def duorec_pairs(model: ContrastiveRecommender, contrast: str, batch: Batch, plain: bool = False) -> ViewPairs:
    """Encodes a batch and the views that DuoRec compares.

    Args:
        model: Encodes them.
        contrast: ``un``, ``su``, ``us`` or ``us_x``, as in `DuoRec`.
        batch: The batch, with same-target rows if that needs them.
        plain: Whether the encodings of the anchors as they are are wanted in any case.

    Returns:
        The outputs, with a pair ``unsupervised``, ``supervised`` or both.
    """
    pairs, anchors = _PAIRS[contrast], batch.anchors
    used = {view for _, *pair in pairs for view in pair} | ({PLAIN} if plain else set())
    views: dict[str, Rows] = {name: anchors for name in (PLAIN, "dropout") if name in used}
    if _SAME_TARGET in used:
        views[_SAME_TARGET] = batch.rows(_SAME_TARGET)
    hidden, z = model.encode_views(batch, views)
    compared = {name: ViewPair(z[a], z[b], views[b], anchors) for name, a, b in pairs}
    return ViewPairs(hidden, compared, z.get(PLAIN))
