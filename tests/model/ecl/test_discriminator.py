"""The conditional discriminator against a loop over rows."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from recbole_cl.batch import Rows
from recbole_cl.encoder.packing import both_ways, pack
from recbole_cl.encoder.registry import EncoderSettings
from recbole_cl.encoder.transformer import TransformerEncoder
from recbole_cl.model.ecl.discriminator import CONDITIONS, ConditionalDiscriminator

LENGTHS = torch.tensor([3, 1, 5, 2, 6])
SIZE, WIDTH = 8, 6


def build(condition: str, bidirectional: bool) -> tuple[ConditionalDiscriminator, TransformerEncoder]:
    torch.manual_seed(0)
    longer = WIDTH + (condition == "attend")
    encoder = TransformerEncoder(EncoderSettings(2, 2, SIZE, 16, 0.0, 0.0, 1e-12, longer))
    return ConditionalDiscriminator(condition, SIZE, bidirectional).double(), encoder.double()


def inputs(condition: str) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    n = int(LENGTHS.sum())
    states = torch.randn(n if condition == "add_all" else len(LENGTHS), SIZE, generator=generator, dtype=torch.float64)
    return torch.randn(n, SIZE, generator=generator, dtype=torch.float64), states


def slow_logits(
    model: ConditionalDiscriminator, encoder: TransformerEncoder, items: Tensor, states: Tensor, last: int | None
) -> Tensor:
    logits, begin = [], 0
    for i, n in enumerate(LENGTHS.tolist()):
        own = items[begin : begin + n]
        if model.condition == "add_all":
            own = own + states[begin : begin + n]
        elif model.condition == "add_last":
            own = own + states[i]
        elif model.condition == "concat":
            assert model.join is not None
            own = torch.stack([model.join.weight @ torch.cat((states[i], item)) for item in own])
        else:
            own = torch.cat((states[i : i + 1], own))
        rows = Rows(torch.ones(1, len(own), dtype=torch.int64), torch.tensor([len(own)]), wanted="items")
        position = None if last is None else last + (model.condition == "attend")
        packing = pack([rows], True, position)
        hidden = encoder(own, both_ways(packing) if model.bidirectional else packing)
        logits.append((hidden @ model.head.weight.T).squeeze(1)[-n:])
        begin += n
    return torch.cat(logits)


@pytest.mark.parametrize("grouped", [True, False])
@pytest.mark.parametrize("last", [None, WIDTH - 1])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("condition", CONDITIONS)
def test_equals_a_loop_over_rows(condition: str, bidirectional: bool, last: int | None, grouped: bool) -> None:
    model, encoder = build(condition, bidirectional)
    items, states = inputs(condition)
    rows = Rows(torch.ones(len(LENGTHS), WIDTH, dtype=torch.int64), LENGTHS)
    logits = model(encoder, items, states, rows, grouped, last)
    assert logits.shape == (len(items),)
    expected = slow_logits(model, encoder, items, states, last)
    torch.testing.assert_close(logits, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("condition", CONDITIONS)
def test_judgements_depend_on_the_condition_and_on_later_items_if_bidirectional(condition: str) -> None:
    rows = Rows(torch.ones(len(LENGTHS), WIDTH, dtype=torch.int64), LENGTHS)
    for bidirectional in (False, True):
        model, encoder = build(condition, bidirectional)
        items, states = (value.requires_grad_() for value in inputs(condition))
        first = model(encoder, items, states, rows, True, None)[0]
        by_items, by_states = torch.autograd.grad(first, (items, states))
        assert by_states[0].any() and by_items[0].any()
        assert by_items[1].any() == bidirectional and not by_items[3:].any()
