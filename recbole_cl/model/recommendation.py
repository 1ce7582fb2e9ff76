"""The recommendation losses available for training, and the negatives that some of them need.

Letters: B rows, L columns, T targets, D hidden size, N items (padding row 0 included), M shared negatives,
n negatives of a target.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from logging import getLogger
from typing import Any

import torch
from torch import Tensor

from recbole_cl.batch import Batch
from recbole_cl.distributed.sharing import mean_in_shares
from recbole_cl.errors import UsageError
from recbole_cl.loss.chunked import chunked_cross_entropy
from recbole_cl.loss.recommendation import smoothing
from recbole_cl.registry import Registry
from recbole_cl.sampling.negatives import SharedNegatives, uniform_negatives, uniform_negatives_outside

_AGAINST_ONE = ("bpr", "bce")
_AGAINST_SHARED = "sampled_softmax"
_AGAINST_OWN = ("gbce", "uncorrected_softmax")
_LARGE_LOGITS = 2.0  # GB of float32
_OVER_ALL = ("ce", "chunked_ce")
_MEANS = (*_AGAINST_ONE, _AGAINST_SHARED, *_AGAINST_OWN, *_OVER_ALL)
RECOMMENDATION_LOSSES: Registry[Callable[..., Tensor]] = Registry(
    "recommendation loss",
    {
        "ce": "recbole_cl.loss.recommendation.cross_entropy",
        "chunked_ce": "recbole_cl.loss.chunked.chunked_cross_entropy",
        _AGAINST_SHARED: "recbole_cl.loss.recommendation.sampled_softmax",
        **{name: f"recbole_cl.loss.recommendation.{name}" for name in (*_AGAINST_ONE, *_AGAINST_OWN)},
    },
)


class RecommendationLoss:
    """The loss that the setting ``recommendation_loss`` names, with negatives from the model's own generator.

    * ``ce``, ``chunked_ce``: softmax over all items, with ``label_smoothing``;
    * ``sampled_softmax``: the target against ``n_negatives`` items, shared by all targets of a batch, drawn with
        replacement in proportion to (training targets + 1) ** ``popularity_exponent``, with a correction for this
        sampling;
    * ``bpr``, ``bce``: the target against one item per target, drawn uniformly from all others or, with
        ``exclude_row_items``, from those that are not in the row either;
    * ``gbce``, ``uncorrected_softmax``: the target against ``n_negatives`` items per target, drawn uniformly from all;
    * a dotted path: an importable function of (hidden, item_table, target), like ``ce``.

    Negatives are never the padding item or the mask token, and, except for ``gbce`` and ``uncorrected_softmax``, never
    the target.

    Args:
        options: The model's settings.
        n_items: N.
        max_length: Maximum number of items of a row.
        generator: Source of the negatives, on the model's device.
        dataset: RecBole's or our training split; used only to count targets, if there is a popularity exponent.

    Raises:
        UsageError: If there are too few items to draw negatives from.

    Note:
        The S3Rec family (CoSeRec, SRMA, ICLRec) also excludes the user's validation and test items from the negatives,
            and can draw the mask token. Here only the row is known, and the mask token is not an item.
    """

    def __init__(self, options: Any, n_items: int, max_length: int, generator: torch.Generator, dataset: Any) -> None:
        self.name: str = options.recommendation_loss
        self._loss = RECOMMENDATION_LOSSES.resolve(self.name)
        self.exclude_row_items: bool = options.exclude_row_items
        self.label_smoothing: float = options.label_smoothing
        if self.label_smoothing and self.name not in _OVER_ALL:
            raise UsageError(
                f"label_smoothing = {self.label_smoothing}: recommendation_loss = {self.name} has no labels to smooth; "
                f"set it to 0, or recommendation_loss to {_OVER_ALL[-1]}"
            )
        if options.history_penalty and self.name != "chunked_ce":
            raise UsageError(
                f"history_penalty = True: recommendation_loss = {self.name} does not train it; choose chunked_ce, or "
                "set history_penalty to False"
            )
        if options.history_penalty and self.label_smoothing:
            raise UsageError(
                f"history_penalty = True: label_smoothing = {self.label_smoothing} would smooth other scores; set one "
                "to False or 0"
            )
        self.n_items, self.n_negatives = n_items, options.n_negatives
        if self.name == "gbce":
            self._loss = partial(self._loss, calibration=options.gbce_calibration)
        self.generator = generator
        self._warned = False
        self._refuse_too_few_items(max_length)
        if self.name == _AGAINST_SHARED:
            exponent = options.popularity_exponent
            counts = _target_counts(dataset, n_items) if exponent else None
            self.shared = SharedNegatives(n_items, options.n_negatives, generator, counts, exponent)

    def __call__(
        self, hidden: Tensor, item_table: Tensor, target: Tensor, batch: Batch | None = None, *lowered: Tensor
    ) -> Tensor:
        """The mean loss.

        Args:
            hidden: Sequence representations. Shape [T, D].
            item_table: Embeddings of the items that can be scored. Shape [N, D].
            target: Next items. Shape [T].
            batch: The batch of the targets; needed to exclude the row's items from the negatives.
            *lowered: ``history`` [T, L] and ``penalty`` [T] of ``chunked_cross_entropy``; nothing for no penalty.

        Returns:
            Scalar.

        Raises:
            UsageError: If ``exclude_row_items`` is set and ``batch`` is missing.
        """
        own = self._own_negatives(target, batch)
        shared = self.shared.draw() if self.name == _AGAINST_SHARED else None
        if not own and shared is None:
            self._warn_of_large_logits(len(target), len(item_table))

        def mean(hidden: Tensor, target: Tensor, *own: Tensor) -> Tensor:
            if shared is not None:
                return self._loss(hidden, item_table, target, shared[0], hidden.new_zeros(len(target)), shared[1])
            if lowered:
                return chunked_cross_entropy(hidden, item_table, target, history=own[0], penalty=own[1])
            loss = self._loss(hidden, item_table, target, *own)
            if self.label_smoothing:
                loss = loss + smoothing(hidden, item_table, target, self.label_smoothing)
            return loss

        if self.name not in _MEANS:  # a user's own loss is not necessarily a mean over the rows
            return mean(hidden, target)
        return mean_in_shares(mean, hidden, target, *own, *lowered)

    def _own_negatives(self, target: Tensor, batch: Batch | None) -> list[Tensor]:
        """The separate negatives of each target, [T] or [T, n], if the loss needs any."""
        if self.name in _AGAINST_ONE:
            return [self.one_each(target, batch)]
        return [self.several_each(target)] if self.name in _AGAINST_OWN else []

    def one_each(self, target: Tensor, batch: Batch | None = None) -> Tensor:
        """Draws one negative for each target, [T] -> [T]."""
        if not self.exclude_row_items:
            return uniform_negatives_outside(target.unsqueeze(1), self.n_items, 1, self.generator).squeeze(1)
        if batch is None:
            raise UsageError(
                "exclude_row_items = True: this model does not pass its batch to recommendation_loss; set it to False"
            )
        row = torch.cat((batch.item_seq, batch.target.unsqueeze(1)), dim=1)  # [B, L + 1]
        if batch.next_items is None:
            return uniform_negatives_outside(row, self.n_items, 1, self.generator).squeeze(1)
        drawn = uniform_negatives_outside(row, self.n_items, batch.next_items.shape[1], self.generator)  # [B, L]
        return batch.at_targets(drawn)

    def several_each(self, target: Tensor) -> Tensor:
        """Draws ``n_negatives`` items for each target, [T] -> [T, n]."""
        n = len(target) * self.n_negatives
        return uniform_negatives(n, 1, self.n_items, self.generator, target.device).view(len(target), -1)

    def _warn_of_large_logits(self, n_targets: int, n_items: int) -> None:
        """Warns once, before the logits are computed, that ``ce`` needs much more memory than ``chunked_ce``."""
        size = 4 * n_targets * n_items / 1e9
        if self.name == "ce" and size > _LARGE_LOGITS and not self._warned:
            self._warned = True
            getLogger().warning(
                f"recommendation_loss = ce: the logits of {n_targets} targets and {n_items} items take {size:.1f} GB, "
                "and training holds them three times; chunked_ce has the same loss and gradients in bounded memory"
            )

    def _refuse_too_few_items(self, max_length: int) -> None:
        items = self.n_items - 1
        if self.name in (*_AGAINST_ONE, *_AGAINST_OWN, _AGAINST_SHARED) and items < 2:
            raise UsageError(
                f"recommendation_loss = {self.name}: {items} item leaves no negative to draw; choose chunked_ce"
            )
        if self.name in _AGAINST_ONE and self.exclude_row_items and items <= max_length + 1:
            raise UsageError(
                f"exclude_row_items = True: a row of {max_length} items and its target may leave none of {items} items "
                "to draw; lower MAX_ITEM_LIST_LENGTH or set exclude_row_items to False"
            )


def _target_counts(dataset: Any, n_items: int) -> Tensor:
    """How often each item is the target of a training row, [N]."""
    counts: Tensor = torch.bincount(dataset.inter_feat[dataset.iid_field], minlength=n_items)
    return counts
