"""Filling in masked items: the most probable or a drawn one, never padding, with the loss out of the same logits."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from recbole_cl.loss import chunked
from recbole_cl.loss.recommendation import cross_entropy
from recbole_cl.model.masked_items import generate_items, generate_items_with_loss

ITEMS = 9


@pytest.fixture(params=[1, 4, 1000])
def _every_chunk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunked, "CPU_BLOCK", 0)
    monkeypatch.setattr(chunked, "MIN_CHUNK_ROWS", request.param)


def problem(rows: int = 11) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    hidden = torch.randn(rows, 4, generator=generator, dtype=torch.float64)
    table = torch.randn(ITEMS, 4, generator=generator, dtype=torch.float64)
    table[0] = 9 * hidden.sum(0)  # the padding's score is among the largest
    return hidden.requires_grad_(), table.requires_grad_(), torch.randint(1, ITEMS, (rows,), generator=generator)


@pytest.mark.usefixtures("_every_chunk")
def test_the_most_probable_item_and_the_loss() -> None:
    hidden, table, target = problem()
    scores = hidden @ table.t()
    assert (scores.argmax(1) == 0).any()  # or the next lines would not show that padding is left out
    expected = scores[:, 1:].argmax(1) + 1
    loss, items = generate_items_with_loss(hidden, table, target)
    assert torch.equal(items, expected)
    assert torch.equal(generate_items(hidden, table), expected)
    plain = cross_entropy(hidden, table, target)
    torch.testing.assert_close(loss, plain)
    for a, b in zip(*(torch.autograd.grad(it, (hidden, table)) for it in (loss, plain)), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.usefixtures("_every_chunk")
def test_drawn_items_follow_their_probabilities() -> None:
    _, table, _ = problem()
    hidden = torch.tensor([[0.3, -0.2, 0.5, 0.1]], dtype=torch.float64).expand(8000, 4)
    probability = (hidden[:1] @ table.detach()[1:].t()).softmax(1).squeeze(0)
    ones = torch.ones(8000, dtype=torch.int64)
    for items in (
        generate_items(hidden, table, torch.Generator().manual_seed(0)),
        generate_items_with_loss(hidden, table, ones, torch.Generator().manual_seed(0))[1],
    ):
        counts = torch.bincount(items, minlength=ITEMS)
        expected = 8000 * probability
        assert counts[0] == 0 and ((counts[1:] - expected).abs() < 4 * expected.sqrt() + 1).all()


def test_the_same_generator_draws_the_same() -> None:
    hidden, table, target = problem()
    one, two = (generate_items(hidden, table, torch.Generator().manual_seed(4)) for _ in range(2))
    three = generate_items_with_loss(hidden, table, target, torch.Generator().manual_seed(4))[1]
    assert torch.equal(one, two) and torch.equal(one, three)


@pytest.mark.parametrize("sampled", [False, True])
def test_nothing_masked_is_nothing_lost(sampled: bool) -> None:
    _, table, _ = problem()
    hidden = torch.empty(0, 4, dtype=torch.float64, requires_grad=True)
    source = torch.Generator() if sampled else None
    loss, items = generate_items_with_loss(hidden, table, torch.empty(0, dtype=torch.int64), source)
    loss.backward()
    assert loss.item() == 0 and items.shape == (0,) and generate_items(hidden, table, source).shape == (0,)
