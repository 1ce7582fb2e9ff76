"""gBCE against the numbers of the authors' training loop."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from recbole_cl.loss.recommendation import bce, gbce
from tests.oracles.load import oracle


def as_products(logits: Tensor, n_items: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """States and a table of ``n_items`` and the padding whose products are the given logits [T, 1 + n]."""
    n_rows, n = logits.shape
    hidden = torch.eye(n_rows, dtype=logits.dtype)
    table = logits.new_zeros(n_items + 1, n_rows)
    table[1 : n + 1] = logits.t()
    items = torch.arange(1, n + 1).expand(n_rows, -1)
    return hidden, table, items[:, 0], items[:, 1:]


@pytest.mark.parametrize("t", [0.0, 0.5, 0.75, 1.0])
def test_equal_to_the_authors_where_their_clamps_do_not_act(t: float) -> None:
    l1 = oracle("l1_gbce_loss")
    logits, counts = l1["logits"].clone(), l1["mask"].bool()
    for value in (False, True):
        if value:
            logits[..., 0] = torch.where(logits[..., 0].abs() > 20, l1["unsaturated_positive_value"], logits[..., 0])
        ours = gbce(*as_products(logits[counts], int(l1["num_items"])), calibration=t)
        expected = l1[f"t{t}::{'unsaturated_loss' if value else 'closed_form_loss'}"]
        torch.testing.assert_close(ours, expected, rtol=1e-6, atol=1e-6)


def test_its_gradients_are_the_authors() -> None:
    """At positions that are not saturated."""
    l1 = oracle("l1_gbce_loss")
    counts = l1["mask"].bool()
    logits = l1["logits"][counts].requires_grad_()
    hidden, table, target, negatives = as_products(logits, int(l1["num_items"]))
    (gradient,) = torch.autograd.grad(gbce(hidden, table, target, negatives, calibration=0.75), logits)
    plain = logits[:, 0].abs() < 20
    torch.testing.assert_close(gradient[plain], l1["t0.75::grad_logits"][counts][plain], rtol=1e-6, atol=1e-6)


def test_without_calibration_it_is_binary_cross_entropy() -> None:
    generator = torch.Generator().manual_seed(1)
    hidden, table = (torch.randn(n, 4, generator=generator, dtype=torch.float64) for n in (6, 9))
    target, negative = (torch.randint(1, 9, (6,), generator=generator) for _ in range(2))
    ours = gbce(hidden, table, target, negative[:, None], calibration=0.0)
    torch.testing.assert_close(2 * ours, bce(hidden, table, target, negative))


@pytest.mark.parametrize("n_items", [40, 400])
def test_few_items_are_scored_as_many(n_items: int) -> None:
    """Scores of all items, or products with the vectors of those drawn: the same loss and gradients."""
    generator = torch.Generator().manual_seed(0)
    hidden, table = (torch.randn(n, 8, generator=generator, dtype=torch.float64) for n in (5, n_items + 1))
    items = torch.randint(1, n_items + 1, (5, 4), generator=generator)
    hidden.requires_grad_(), table.requires_grad_()
    scores = torch.stack([torch.stack([hidden[row] @ table[item] for item in items[row]]) for row in range(5)])
    expected = -(0.1 * scores[:, 0].sigmoid().log() + (1 - scores[:, 1:].sigmoid()).log().sum(1)).mean() / 4
    ours = gbce(hidden, table, items[:, 0], items[:, 1:], (1 - 0.1) / (1 - 3 / (n_items - 1)))
    torch.testing.assert_close(ours, expected)
    for a, b in zip(*(torch.autograd.grad(it, (hidden, table)) for it in (ours, expected)), strict=True):
        torch.testing.assert_close(a, b)
