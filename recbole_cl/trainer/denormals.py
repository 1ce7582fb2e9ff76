"""Floating-point numbers too small for a normal representation, and what they cost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def denormals_flushed() -> Iterator[None]:
    """Rounds numbers below 1.2e-38 to zero while it is entered, on processors that can.

    A saturated softmax, such as that of a contrastive loss over wide vectors, has gradients of that size, and products
    with them run in microcode: a matrix product of such numbers takes a hundred times as long. No loss can tell.
    """
    before = _flushed()
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)


def _flushed() -> bool:
    """Whether this thread rounds them to zero already; torch can set that, not tell it."""
    tiny = torch.finfo(torch.float32).tiny
    return bool(torch.tensor([tiny]).mul(0.5) == 0)
