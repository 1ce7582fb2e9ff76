"""Rows that the tests of this folder share."""

from __future__ import annotations

from typing import Any

import torch

from recbole_cl.batch import Rows
from recbole_cl.model.ecl.alterations import alter

WIDTH, N_ITEMS = 10, 40


def rows(n: int = 400, seed: int = 0) -> Rows:
    """Rows of all lengths, none with an item twice."""
    generator = torch.Generator().manual_seed(seed)
    seq_len = torch.arange(n) % WIDTH + 1
    items = torch.rand(n, N_ITEMS - 1, generator=generator).argsort(1)[:, :WIDTH] + 1
    return Rows(items * (torch.arange(WIDTH) < seq_len[:, None]), seq_len)


def altered(how: str, ratio: float = 0.4, strategy: Any = "sample", seed: int = 1, **more: Any) -> Rows:
    given, generator = rows(), torch.Generator().manual_seed(seed)
    share = {"ratio": ratio, "strategy": strategy, "n_items": N_ITEMS}
    return alter(given.item_seq, given.seq_len, generator, how=how, **share, **more)


def as_lists(view: Rows) -> list[list[int]]:
    return [row[:n] for row, n in zip(view.item_seq.tolist(), view.seq_len.tolist(), strict=True)]
