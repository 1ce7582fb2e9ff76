"""The generator: what it reads, what it replaces, and its loss."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from recbole_cl.batch import Rows
from recbole_cl.encoder.packing import both_ways, pack
from recbole_cl.encoder.registry import EncoderSettings
from recbole_cl.model.ecl.generator import Filled, ItemGenerator

N_ITEMS, WIDTH = 12, 6  # the table has one more row, for the mask token


def build(sampled: bool = False) -> tuple[ItemGenerator, nn.Embedding]:
    torch.manual_seed(0)
    settings = EncoderSettings(1, 2, 8, 16, 0.0, 0.0, 1e-12, WIDTH)
    return ItemGenerator(settings, torch.Generator().manual_seed(0), sampled).double(), nn.Embedding(
        N_ITEMS + 1, 8, padding_idx=0, dtype=torch.float64
    )


def rows(n: int = 60) -> tuple[Rows, Tensor]:
    generator = torch.Generator().manual_seed(1)
    seq_len = torch.arange(n) % WIDTH + 1
    real = torch.arange(WIDTH) < seq_len[:, None]
    item_seq = torch.randint(1, N_ITEMS, (n, WIDTH), generator=generator) * real
    return Rows(item_seq, seq_len), real & (torch.rand(n, WIDTH, generator=generator) < 0.4)


@pytest.mark.parametrize("grouped", [True, False])
@pytest.mark.parametrize("last_position", [None, WIDTH - 1])
def test_fills_in_the_most_probable_items(last_position: int | None, grouped: bool) -> None:
    model, table = build()
    given, masked = rows()
    filled: Filled = model(given, masked, table, True, grouped, last_position)
    expected, losses = given.item_seq.clone(), []
    for i, (row, mask, n) in enumerate(zip(given.item_seq, masked, given.seq_len.tolist(), strict=True)):
        ids = torch.where(mask, N_ITEMS, row)[None, :n]
        alone = Rows(ids, torch.tensor([n]), wanted="items")
        hidden = model.encoder(table(ids[0]), both_ways(pack([alone], True, last_position)))
        for j in mask.nonzero().flatten().tolist():
            logits = table.weight[:N_ITEMS] @ hidden[j]
            expected[i, j] = logits[1:].argmax() + 1
            losses.append(torch.logsumexp(logits, 0) - logits[row[j]])
    assert torch.equal(filled.item_seq, expected)
    slow = torch.stack(losses).mean()
    assert filled.loss is not None
    torch.testing.assert_close(filled.loss, slow)
    assert filled.n_masked == len(losses)
    assert int(filled.n_recovered) == int(((expected == given.item_seq) & masked).sum())
    leaves = [table.weight, *model.parameters()]
    for a, b in zip(*(torch.autograd.grad(it, leaves) for it in (filled.loss, slow)), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("sampled", [False, True])
def test_never_generates_padding_or_the_mask_token(sampled: bool) -> None:
    model, table = build(sampled)
    table.weight.data[[0, N_ITEMS]] *= 100
    given, masked = rows(600)
    for with_loss in (True, False):
        ids = model(given, masked, table, with_loss, True).item_seq
        assert torch.equal(ids[~masked], given.item_seq[~masked])
        assert int(ids[masked].min()) >= 1 and int(ids[masked].max()) < N_ITEMS


def test_without_the_loss_there_are_no_gradients() -> None:
    model, table = build()
    given, masked = rows()
    with_loss, without = (model(given, masked, table, wanted, True) for wanted in (True, False))
    assert without.loss is None and torch.equal(with_loss.item_seq, without.item_seq)


def test_a_row_that_is_all_masked_and_a_batch_without_masks() -> None:
    model, table = build()
    given, _ = rows(1)
    filled = model(given, torch.arange(WIDTH) < given.seq_len[:, None], table, True, True)
    assert filled.n_masked == 1 and filled.item_seq[0, 1:].tolist() == [0] * (WIDTH - 1)
    filled = model(given, torch.zeros_like(given.item_seq, dtype=torch.bool), table, True, True)
    assert filled.n_masked == 0 and filled.loss.item() == 0 and torch.equal(filled.item_seq, given.item_seq)
