"""Replaced-item detection against a slow loop."""

from __future__ import annotations

import math

import pytest
import torch

from recbole_cl.loss.replaced_item import replaced_item_loss


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equals_a_loop(dtype: torch.dtype) -> None:
    logits = torch.randn(9, generator=torch.Generator().manual_seed(0), dtype=dtype)
    replaced = torch.tensor([1, 0, 0, 1, 1, 0, 0, 0, 1], dtype=torch.bool)
    expected = 0.0
    for logit, is_replaced in zip(logits.tolist(), replaced.tolist(), strict=True):
        probability = 1 / (1 + math.exp(-logit))
        expected -= math.log(probability if is_replaced else 1 - probability) / 9
    loss = replaced_item_loss(logits, replaced)
    assert loss.dtype == dtype and loss.item() == pytest.approx(expected, rel=1e-5)


def test_learns_from_judgements_that_are_sure_and_wrong() -> None:
    logits = torch.tensor([80.0, -80.0], requires_grad=True)
    replaced_item_loss(logits, torch.tensor([False, True])).backward()
    torch.testing.assert_close(logits.grad, torch.tensor([0.5, -0.5]))
