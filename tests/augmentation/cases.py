"""Batches that the tests of this folder share."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from recbole_cl.augmentation import Operator, crop, delete, insert, mask, reorder, substitute

MASK_ID = 1000
NEIGHBOUR = torch.arange(MASK_ID) + 500  # another id for every id below 500


def cl4srec_operators(mask_id: int = MASK_ID) -> dict[str, Operator]:
    return {
        "crop": partial(crop, ratio=0.6),
        "mask": partial(mask, ratio=0.3, fill_id=mask_id),
        "reorder": partial(reorder, ratio=0.6),
    }


def coserec_operators() -> dict[str, Operator]:
    return {
        "crop": partial(crop, ratio=0.2, span="before_last"),
        "mask": partial(mask, ratio=0.7, fill_id=0),
        "reorder": partial(reorder, ratio=0.2, span="before_last"),
        "insert": partial(insert, ratio=0.4, neighbour=NEIGHBOUR),
        "substitute": partial(substitute, ratio=0.1, neighbour=NEIGHBOUR),
    }


def every_operator() -> list[Operator]:
    paper: list[Operator] = [
        partial(crop, ratio=0.2, rounding="ceil", span="before_last"),
        partial(mask, ratio=0.7, rounding="ceil", fill_id=MASK_ID),
        partial(reorder, ratio=0.2, rounding="ceil", span="before_last"),
        partial(insert, ratio=1.0, neighbour=NEIGHBOUR),
        partial(delete, ratio=0.4),
        partial(delete, ratio=1.0),
    ]
    return [*cl4srec_operators().values(), *coserec_operators().values(), *paper]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def counting_rows(lengths: Tensor, width: int) -> Tensor:
    """Rows 1, 2, ..., n, then padding."""
    ids = torch.arange(1, width + 1)
    return ids * (ids <= lengths.unsqueeze(1))


def random_rows(batch: int = 200, width: int = 12) -> tuple[Tensor, Tensor]:
    """Rows of distinct items below 500, among them rows of 1 and of ``width`` items."""
    draw = generator(7)
    lengths = torch.randint(1, width + 1, (batch,), generator=draw)
    lengths[0], lengths[1] = 1, width
    ids = torch.rand(batch, 499, generator=draw).argsort(dim=1)[:, :width] + 1
    return ids * (torch.arange(width) < lengths.unsqueeze(1)), lengths
