"""Item correlations by name: they give the most correlated item of each item in an epoch.

Letters: N items (padding row 0 included), P pairs, D hidden size.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor

from recbole_cl.data.correlation.memory import TopOne, check_pairs, input_pairs, memory_top_one
from recbole_cl.data.correlation.model import fill_missing, hybrid, model_top_one
from recbole_cl.errors import UsageError
from recbole_cl.registry import Registry


class Correlation(Protocol):
    """The most correlated item of each item, epoch by epoch."""

    def neighbours(self, epoch: int, item_table: Tensor, generator: torch.Generator) -> Tensor:
        """The table for an epoch; call this when the epoch begins.

        Args:
            epoch: Counted from 0.
            item_table: Item embeddings; rows from N on, such as a mask token's, are ignored. Not stored. Shape [N or
                more, D].
            generator: Source of randomness, on the table's device; used to draw random items for those without a
                neighbour.

        Returns:
            The most correlated item of each id, int64, on the table's device; 0 at row 0, 1..N-1 elsewhere. Shape [N].
        """


CorrelationFactory = Callable[[Any, int, Any], Correlation]
"""Makes a correlation from the training split (``input_pairs`` gives its pairs), N and the method's settings."""


class MemoryCorrelation:
    """Memory-based correlation (ItemCF); after a given number of epochs, the more confident of it and the model's.

    It is fitted when it is first used, so not at all if the model only scores.

    Reference:
        Liu et al., Contrastive Self-supervised Sequential Recommendation with Robust Augmentation (CoSeRec), 2021,
        section 4.1.3.

    Args:
        pairs: Users and items of the training interactions, [P] each; None if the split holds none, such as the
            placeholder datasets that models are built on for inspection.
        n_items: N.
        inverse_user_frequency: As for ``memory_top_one``.
        switch_epoch: Last epoch, counted from 0, that uses only the memory-based correlation (E): 160 to 220 in
            CoSeRec; later epochs are hybrid. -1 is hybrid from the start, None never.

    Raises:
        UsageError: If no items are correlated.
    """

    def __init__(
        self,
        pairs: tuple[Tensor, Tensor] | None,
        n_items: int,
        inverse_user_frequency: bool = True,
        switch_epoch: int | None = None,
    ) -> None:
        if pairs is not None:
            check_pairs(*pairs, n_items)
        self._pairs, self._n_items, self._iuf = pairs, n_items, inverse_user_frequency
        self._switch_epoch = switch_epoch
        self._memory: TopOne | None = None

    def neighbours(self, epoch: int, item_table: Tensor, generator: torch.Generator) -> Tensor:
        """See ``Correlation``."""
        memory = self._fitted().to(item_table.device)
        if self._switch_epoch is None or epoch <= self._switch_epoch:
            return fill_missing(memory.item, generator)
        return hybrid(memory, model_top_one(item_table, self._n_items))

    def _fitted(self) -> TopOne:
        if self._memory is None:
            if self._pairs is None:
                raise UsageError("no interactions to correlate items by: build the model on a training split")
            self._memory = memory_top_one(*self._pairs, self._n_items, inverse_user_frequency=self._iuf)
            self._pairs = None
        return self._memory


class ModelCorrelation:
    """Model-based correlation: the highest product of item embeddings.

    Args:
        n_items: N.
    """

    def __init__(self, n_items: int) -> None:
        self._n_items = n_items

    def neighbours(self, epoch: int, item_table: Tensor, generator: torch.Generator) -> Tensor:
        """See ``Correlation``."""
        return model_top_one(item_table, self._n_items).item


def memory_correlation(dataset: Any, n_items: int, options: Any) -> Correlation:
    """Memory-based in all epochs; reads the setting ``inverse_user_frequency``."""
    return MemoryCorrelation(input_pairs(dataset), n_items, options.inverse_user_frequency)


def hybrid_correlation(dataset: Any, n_items: int, options: Any) -> Correlation:
    """Memory-based up to ``switch_epoch``, then the more confident of both."""
    return MemoryCorrelation(input_pairs(dataset), n_items, options.inverse_user_frequency, options.switch_epoch)


def model_correlation(dataset: Any, n_items: int, options: Any) -> Correlation:
    """Model-based in all epochs."""
    return ModelCorrelation(n_items)


CORRELATIONS: Registry[CorrelationFactory] = Registry(
    "correlation",
    {
        "memory": "recbole_cl.data.correlation.registry.memory_correlation",
        "model": "recbole_cl.data.correlation.registry.model_correlation",
        "hybrid": "recbole_cl.data.correlation.registry.hybrid_correlation",
    },
)
