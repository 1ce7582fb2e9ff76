"""Shared code of the methods that augment data: operators by name, and correlated items for them."""

from __future__ import annotations

from collections.abc import Mapping
from logging import getLogger
from typing import Annotated, Any, ClassVar

import torch
from annotated_types import Ge, MinLen
from pydantic import Field
from torch import Tensor

from recbole_cl.augmentation import OPERATORS
from recbole_cl.augmentation.registry import takes
from recbole_cl.batch import Rows
from recbole_cl.config.papers import Among, Papers, said
from recbole_cl.config.schema import Distinct, MethodSettings, Named, Share
from recbole_cl.data.correlation.registry import CORRELATIONS, Correlation
from recbole_cl.errors import UsageError
from recbole_cl.model.contrast.views import ViewDrawer
from recbole_cl.model.contrastive import ContrastiveRecommender, ContrastiveSettings

SPANS_BEFORE_LAST = dict.fromkeys(("crop", "reorder"), {"span": "before_last"})  # as in the code of CoSeRec and others
Operators = Annotated[list[Annotated[str, Named(OPERATORS)]], Distinct()]


class AugmentingSettings(ContrastiveSettings):
    """Operators, and the item correlation that some of them need."""

    operators: Annotated[Operators, MinLen(1)]
    operator_options: dict[str, dict[str, Any]]
    correlation: Annotated[str, Named(CORRELATIONS)]
    inverse_user_frequency: bool
    switch_epoch: Annotated[int, Ge(-1)] = Field(description="E")

    papers: ClassVar[Papers] = {
        **said("CoSeRec, section 5.1.4; Table 3 has 80, 160, 200", switch_epoch=Among(*range(0, 101, 20))),
        **said("CoSeRec, Eq. 9", inverse_user_frequency=True),
    }


class RatioSettings(AugmentingSettings):
    """Ratios of CL4SRec's operators, for the methods that use them."""

    crop_ratio: Share = Field(description="eta")
    mask_ratio: Share = Field(description="gamma; mu in CoSeRec and SRMA")
    reorder_ratio: Share = Field(description="beta; omega in CoSeRec and SRMA")

    papers: ClassVar[Papers] = said(
        "CL4SRec's best, as quoted by CoSeRec's code", crop_ratio=0.2, mask_ratio=0.7, reorder_ratio=0.2
    )


class AugmentingRecommender(ContrastiveRecommender):
    """Base of the methods whose views are augmented rows: each of a row's two views has its own operator.

    A method declares a ratio for each operator of its paper (such as ``crop_ratio``); any other operator gets its
    values from ``operator_options``. How views are drawn is said by ``distinct_views`` and ``fixed_values``, or by a
    ``build_views`` of its own. If an operator uses correlated items, the chosen correlation is fitted to the training
    rows before the first views are drawn, and updated every epoch. A plain RecBole script must call ``start_epoch`` for
    this; otherwise the correlation stays that of epoch 0.
    """

    settings: ClassVar[type[MethodSettings]] = AugmentingSettings
    options: AugmentingSettings
    distinct_views: ClassVar[bool] = False  # whether the two views of a row have different operators, if there are two
    fixed_values: ClassVar[Mapping[str, Mapping[str, Any]]] = {}  # arguments of operators, by the operator's name

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        self._epoch = 0
        self._neighbour: Tensor | None = None  # the most correlated item of each item, in this epoch
        self._correlation: Correlation | None = None
        self.views = self.build_views()
        if self.augments and self.views.needs_neighbours:
            self._correlation = CORRELATIONS.resolve(self.options.correlation)(dataset, self.n_items, self.options)
            self._warn_of_late_switch()

    @property
    def augments(self) -> bool:
        """Whether views are augmented rows, in this epoch."""
        return True

    @property
    def epochs_with_views(self) -> int | None:
        """Number of first epochs that draw views; None if it is not set."""
        return self.plan.epochs

    def _warn_of_late_switch(self) -> None:
        epochs, switch = self.epochs_with_views, self.options.switch_epoch
        if self.options.correlation == "hybrid" and epochs and switch >= epochs - 1:
            getLogger().warning(
                f"switch_epoch = {switch}: the correlation stays memory-based for all {epochs} epochs that draw views"
            )

    def build_views(self) -> ViewDrawer:
        """The operators of the settings; masks write the mask token, or padding if the method has none."""
        names, fill_id = self.options.operators, self.mask_id if self.has_mask_token else 0
        distinct = self.distinct_views and len(names) > 1
        return ViewDrawer(names, self.operator_values(self.fixed_values), fill_id, self.generator, distinct=distinct)

    def operator_values(self, own: Mapping[str, Mapping[str, Any]] | None = None) -> dict[str, dict[str, Any]]:
        """Arguments of the operators: the method's ``<name>_ratio``, its fixed arguments, and ``operator_options``.

        Args:
            own: The fixed arguments of the method, by the operator's name.
        """
        names, given = self.options.operators, self.options.operator_options
        own_ratio = {name: getattr(self.options, f"{name}_ratio", None) for name in names}
        ratios = {name: {"ratio": ratio} for name, ratio in own_ratio.items() if ratio is not None}
        for name, values in given.items():
            if name not in names:
                words = f"expected one of operators, {', '.join(names)}"
                raise UsageError(f"operator_options has an entry {name!r}: {words}")
            if "ratio" in values and name in ratios:
                raise UsageError(f"operator_options.{name}.ratio: set {name}_ratio instead")
        return {name: {**ratios.get(name, {}), **(own or {}).get(name, {}), **given.get(name, {})} for name in names}

    @property
    def has_mask_token(self) -> bool:
        """Whether an operator masks items."""
        return any(takes(name, "fill_id") for name in self.options.operators)

    def start_epoch(self, epoch: int) -> None:
        """Updates the table of correlated items, if views need one."""
        self._epoch = epoch
        if self._correlation is not None and self.augments:
            generator = torch.Generator(self.device).manual_seed(self.plan.seed + epoch)
            self._neighbour = self._correlation.neighbours(epoch, self.item_embedding.weight, generator)

    def draw_views(self, rows: Rows) -> tuple[Rows, Rows]:
        """Two views of every row, each made by its own operator."""
        if self._neighbour is None and self._correlation is not None:
            self.start_epoch(self._epoch)  # a plain RecBole script does not call it
        return self.views.draw(rows, self._neighbour)
