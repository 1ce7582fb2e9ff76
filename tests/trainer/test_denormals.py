"""Denormal numbers: zero inside, as they were outside."""

from __future__ import annotations

import pytest
import torch

from recbole_cl.trainer.denormals import denormals_flushed


@pytest.mark.skipif(not torch.set_flush_denormal(False), reason="this processor cannot flush denormal numbers")
@pytest.mark.parametrize("before", [True, False])
def test_denormals_are_zero_inside_and_as_before_outside(before: bool) -> None:
    def halved() -> float:
        return float(torch.full((64, 64), torch.finfo(torch.float32).tiny).mul(0.5).sum())

    torch.set_flush_denormal(before)
    try:
        with pytest.raises(KeyError), denormals_flushed():
            assert halved() == 0
            raise KeyError
        assert (halved() == 0) == before
    finally:
        torch.set_flush_denormal(False)
