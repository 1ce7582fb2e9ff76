"""CoSeRec: contrast between augmentations that know item correlations and the sequence's length."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from logging import getLogger
from typing import Any, ClassVar, cast

import torch
from torch import Tensor

from recbole_cl.augmentation import Operator, crop, draw_two_views, insert, mask, reorder, substitute
from recbole_cl.augmentation.positions import Rounding
from recbole_cl.batch import Batch
from recbole_cl.config.checks import Check, Choice, Flag, Integer, ListOf, Number, Table
from recbole_cl.data.correlation.memory import check_pairs, input_pairs, memory_top_one
from recbole_cl.data.correlation.model import ItemCorrelation
from recbole_cl.encoder.packing import Rows
from recbole_cl.errors import UsageError
from recbole_cl.loss.info_nce import info_nce
from recbole_cl.model.contrast.complement import ComplementedRecommender
from recbole_cl.model.contrast.pooling import POOLINGS, refuse_misfits, rows_to_pool

OPERATORS = ("crop", "mask", "reorder", "substitute", "insert")
_CORRELATED = {"substitute", "insert"}


class CoSeRec(ComplementedRecommender):
    r"""Two views of every row, each by an operator of its own, drawn from a set that depends on the row's length.

    .. math:: L = L_{rec} + \lambda\, NCE(z_a, z_b)

    with z the encoder's outputs at all positions side by side, or pooled otherwise. ``substitute`` and ``insert`` bring
    in each item's most correlated item: by ItemCF-IUF in the first epochs, afterwards by that or by the model's own
    item embeddings, whichever is surer, renewed every epoch. With ``pretrain_epochs``, the first epochs train on the
    contrastive term alone and all others on recommendation alone (Table 4 of the paper). With a contrastive weight of 0
    no view is drawn and no correlation fitted.

    CL4SRec as this family's papers run it is this with ``operators: [crop, mask, reorder]``, ``short_length: -1`` and
    ``reorder_ratio: 0.2``.

    Reference:
        Liu, Chen, Li, Yu, McAuley and Xiong, "Contrastive Self-supervised Sequential Recommendation with Robust
        Augmentation", 2021, Eq. 3-14.

    Note:
        Defaults are the authors' code: counts rounded down, for ``substitute`` and ``insert`` to one item at least;
        masks that write padding; reordering that leaves the last item in place, and crops that lack it, unless they are
        of a single item. ``rounding`` and ``mask_fill`` give the paper's, with the same spans. The hybrid correlation
        compares two best items in the code and all items in the paper, which is the same. Reordering takes mask's
        ratio, 0.7: where their code tells short rows from long ones, as in all of their scripts, it passes that one on,
        for both; their flag of 0.2 acts without lengths only. The paper takes CL4SRec's best ones, unnamed.

        Departures: padding and mask token are never taken for correlated items, which their code can do; of users with
        more items than a row holds nothing is dropped, older items make further rows; rows are augmented after the cut.
        Their hybrid took next to nothing from the model before September 2022, when the range of its scores and an
        inverted scale had been put right (issues 4 and 6 of github.com/YChen1993/CoSeRec). The paper is older:
        ``correlation: memory`` is nearest to it. What else differs is said where it is done: negatives in
        ``RecommendationLoss``, ties and ranges of correlations in ``recbole_cl/data``. The optimiser goes on from the
        first stage to the second.

        A plain RecBole script has to call ``start_epoch``, or the correlation stays that of epoch 0.
    """

    has_mask_token = True
    settings: ClassVar[Mapping[str, Check]] = {
        "operators": ListOf(Choice(*OPERATORS), distinct=True),
        "short_operators": ListOf(Choice(*OPERATORS), distinct=True),
        "short_length": Integer(low=-1),
        "distinct_operators": Flag(),
        **{f"{name}_ratio": Number(low=0, high=1) for name in OPERATORS},
        "rounding": Table(dict.fromkeys(OPERATORS, Choice("floor", "ceil"))),
        "mask_fill": Choice("padding", "token"),
        "correlation": Choice("hybrid", "memory", "model"),
        "inverse_user_frequency": Flag(),
        "switch_epoch": Integer(low=-1),
        "pooling": Choice(*POOLINGS),
        "similarity": Choice("dot", "cosine"),
        "temperature": Number(low=0, open_low=True),
        "contrastive_weight": Number(low=0),
        "pretrain_epochs": Integer(low=0),
    }

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        self._check_first_stage("pretrain_epochs", config)
        self._check_options(config["epochs"])
        self._seed: int = config["seed"]
        self._neighbour: Tensor | None = None  # the most correlated item of each, in this epoch
        self._epoch = 0
        self._correlation: ItemCorrelation | None = None
        self._pairs: tuple[Tensor, Tensor] | None = None  # of user and item, until correlations are fitted to them
        if self._uses_correlation:
            self._prepare_correlation(dataset)

    def _check_options(self, epochs: int | None) -> None:
        options = self.options
        unknown = sorted(set(options["short_operators"]) - set(options["operators"]))
        lengths_matter = options["short_length"] != -1
        if unknown and lengths_matter:
            raise UsageError(
                f"short_operators: {unknown} are not among operators {options['operators']}; leave them out, or set "
                "short_length to -1"
            )
        for key in ("operators", "short_operators") if lengths_matter else ("operators",):
            if options["distinct_operators"] and len(set(options[key])) < 2:
                raise UsageError(f"distinct_operators = True: {key} = {options[key]} has no two to draw; name more")
        refuse_misfits(options["pooling"], options["right_aligned"])
        if options["pretrain_epochs"] and not options["contrastive_weight"]:
            raise UsageError(f"pretrain_epochs = {options['pretrain_epochs']}: they need a contrastive_weight above 0")
        if epochs is None:
            return
        last = (options["pretrain_epochs"] or epochs) - 1  # epoch, counted from 0, that draws views
        if self._uses_correlation and options["correlation"] == "hybrid" and options["switch_epoch"] >= last >= 0:
            getLogger().warning(
                f"switch_epoch = {options['switch_epoch']}: the correlation stays memory-based for all {last + 1} "
                "epochs that draw views"
            )

    @property
    def _uses_correlation(self) -> bool:
        return self.options["contrastive_weight"] > 0 and not _CORRELATED.isdisjoint(self.options["operators"])

    def _prepare_correlation(self, dataset: Any) -> None:
        """Refuses a split without correlations; they are fitted for the first views, and so not if it only scores."""
        if self.options["correlation"] == "model":
            self._correlation = ItemCorrelation(self.n_items, None)
        elif (pairs := input_pairs(dataset)) is not None:
            check_pairs(*pairs, self.n_items)
            self._pairs = pairs

    def _fit_correlation(self) -> None:
        if self._pairs is None:
            return
        options, pairs, self._pairs = self.options, self._pairs, None
        memory = memory_top_one(*pairs, self.n_items, inverse_user_frequency=options["inverse_user_frequency"])
        switch_epoch = options["switch_epoch"] if options["correlation"] == "hybrid" else None
        self._correlation = ItemCorrelation(self.n_items, memory, switch_epoch)

    def start_epoch(self, epoch: int) -> None:
        """Renews the table of correlated items, and moves from pre-training to fine-tuning when its time has come."""
        self._epoch = epoch
        if not self._draws_views:
            return
        self._fit_correlation()
        if self._correlation is not None:
            generator = torch.Generator(self.device).manual_seed(self._seed + epoch)
            self._neighbour = self._correlation.neighbours(epoch, self.item_embedding.weight, generator)

    @property
    def pretraining(self) -> bool:
        """Whether this epoch trains on the contrastive term alone."""
        return self._epoch < self.options["pretrain_epochs"]

    @property
    def _draws_views(self) -> bool:
        """Whether this epoch has a contrastive term."""
        return self.options["contrastive_weight"] > 0 and (self.pretraining or not self.options["pretrain_epochs"])

    def _operators(self) -> dict[str, Operator]:
        if self._neighbour is None:
            self.start_epoch(self._epoch)  # nobody calls it in a plain RecBole script
        options, table = self.options, {"neighbour": self._neighbour}
        own: dict[str, dict[str, Any]] = {
            "crop": {"span": "before_last"},
            "reorder": {"span": "before_last"},
            "mask": {"fill_id": 0 if options["mask_fill"] == "padding" else self.mask_id},
            "substitute": table,
            "insert": table,
        }
        functions: dict[str, Any] = {
            "crop": crop,
            "mask": mask,
            "reorder": reorder,
            "substitute": substitute,
            "insert": insert,
        }
        return {
            name: partial(
                functions[name],
                ratio=options[f"{name}_ratio"],
                rounding=cast(Rounding, options["rounding"].get(name, "floor")),
                **own[name],
            )
            for name in options["operators"]
        }

    def views(self, batch: Batch) -> list[Rows]:
        """Two views of every anchor, with the outputs that the pooling needs."""
        anchors, options = batch.anchors, self.options
        drawn = draw_two_views(
            anchors.item_seq,
            anchors.seq_len,
            self._operators(),
            self.generator,
            distinct=options["distinct_operators"],
            short_length=options["short_length"],
            short_operators=options["short_operators"],
        )
        return [rows_to_pool(view, options["pooling"], options["mask_fill"] == "padding") for view in drawn]

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        if not self._draws_views:
            (hidden,) = self.encode(batch.supervised)
            return {"recommendation": self.recommendation_loss(hidden, batch.supervised_target, batch)}
        views = self.views(batch)
        if self.pretraining:
            return {"contrastive": self._contrast(batch.anchors, views, self.encode(*views))}
        hidden, *encoded = self.encode(batch.supervised, *views)
        return {
            "recommendation": self.recommendation_loss(hidden, batch.supervised_target, batch),
            "contrastive": self._contrast(batch.anchors, views, encoded),
        }

    def _contrast(self, anchors: Rows, views: list[Rows], encoded: list[Tensor]) -> Tensor:
        options = self.options
        loss = partial(info_nce, temperature=options["temperature"], similarity=options["similarity"])
        nce = self.contrast_pooled(loss, anchors, views, encoded, options["pooling"])
        return options["contrastive_weight"] * nce
