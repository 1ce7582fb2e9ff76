"""What an operator takes and returns."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import torch
from torch import Tensor


class View(NamedTuple):
    """A right padded batch of augmented rows.

    Shape:
        ``item_seq`` [B, L] and ``seq_len`` [B], int64, with B rows of L columns; lengths are in 1..L.
    """

    item_seq: Tensor
    seq_len: Tensor


class Operator(Protocol):
    """An augmentation whose own keywords are bound, for example ``partial(crop, ratio=0.6)``."""

    def __call__(self, item_seq: Tensor, seq_len: Tensor, generator: torch.Generator, /) -> View:
        """Returns augmented copies of all rows."""
