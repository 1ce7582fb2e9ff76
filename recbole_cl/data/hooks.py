"""Fields that a model can have added to every training batch: positives, and others, drawn from the training rows.

Letters: R training rows, B anchors of a batch, L columns.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from recbole_cl.batch import Rows


class TrainingRows(Protocol):
    """The training prefixes as a hook sees them, whether they come from our loader or from a plain RecBole script."""

    @property
    def target(self) -> Tensor:
        """The item after each row. Shape [R]."""

    @property
    def user(self) -> Tensor:
        """The user of each row. Shape [R]."""

    def take(self, row: Tensor) -> Rows:
        """The rows with the given numbers, right padded: [B] -> [B, L] rows."""


class BatchHook(Protocol):
    """Draws something for each anchor of a batch: for each row, or in the sequence form for each of its prefixes."""

    def draw(self, row: Tensor, generator: torch.Generator) -> Rows | Tensor:
        """Draws for a batch.

        Args:
            row: The number of each anchor's training row. Shape [B].
            generator: Source of randomness, on the rows' device.

        Returns:
            Rows without gaps, one for each anchor, or a tensor [B, ...]. ``batch.extra`` holds the result under the
                hook's name; of rows, ids and lengths are kept.
        """


HookFactory = Callable[[TrainingRows], BatchHook]
"""Makes a hook from the training rows; anything that is fitted to them is fitted here, once."""
