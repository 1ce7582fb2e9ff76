"""The encoder: equal to a padded one to rounding, with and without grouping, in outputs and gradients."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from recbole_cl.batch import Rows, Wanted
from recbole_cl.encoder.packing import both_ways, pack
from recbole_cl.encoder.registry import EncoderSettings
from recbole_cl.encoder.transformer import TransformerEncoder

SETTINGS = EncoderSettings(2, 2, 16, 32, 0.0, 0.0, 1e-12, 12)


def build(**changes: Any) -> TransformerEncoder:
    torch.manual_seed(0)
    return TransformerEncoder(SETTINGS._replace(**changes))


def encode(
    encoder: TransformerEncoder,
    vectors: torch.Tensor,
    segments: list[Rows],
    grouped: bool,
    last_position: int | None = None,
    causal: bool = True,
) -> list[torch.Tensor]:
    packing = pack(segments, grouped, last_position)
    packing = packing if causal else both_ways(packing)
    items = torch.cat([rows.item_seq.flatten() for rows in segments])[packing.token_index]
    output = encoder(vectors[items], packing)
    return [output[index] for index in packing.outputs]


def random_rows(n: int, wanted: Wanted, seed: int) -> Rows:
    generator = torch.Generator().manual_seed(seed)
    seq_len = torch.randint(1, 13, (n,), generator=generator)
    item_seq = torch.randint(1, 30, (n, 12), generator=generator)
    return Rows(item_seq * (torch.arange(12) < seq_len.unsqueeze(1)), seq_len, wanted)


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("wanted", [["last"], ["items"], ["items", "last", "last"]], ids=", ".join)
def test_grouped_equals_whole_in_outputs_and_gradients(causal: bool, wanted: list[Wanted]) -> None:
    encoder = build().double()
    segments = [random_rows(40, it, seed) for seed, it in enumerate(wanted)]
    results = []
    for grouped in (True, False):
        vectors = torch.randn(30, 16, generator=torch.Generator().manual_seed(1)).double().requires_grad_()
        outputs = encode(encoder, vectors, segments, grouped, causal=causal)
        encoder.zero_grad()
        torch.stack([(output.sin() * (i + 1)).sum() for i, output in enumerate(outputs)]).sum().backward()
        results.append([*outputs, vectors.grad, *(p.grad for p in encoder.parameters())])
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("last_position", [None, 11])
@pytest.mark.parametrize("causal", [True, False])
def test_rows_with_padding_and_holes_are_the_same_however_grouped(causal: bool, last_position: int | None) -> None:
    encoder = build().double()
    vectors = torch.randn(30, 16, generator=torch.Generator().manual_seed(1)).double()
    segments = [
        with_holes(random_rows(40, "last", 0))._replace(holes=True),
        with_holes(random_rows(40, "items", 1))._replace(holes=True),
        with_holes(random_rows(40, "last", 2))._replace(wanted="columns"),
        random_rows(40, "last", 3),
    ]
    both = (encode(encoder, vectors, segments, how, last_position, causal) for how in (True, False))
    for a, b in zip(*both, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


def with_holes(rows: Rows) -> Rows:
    gone = torch.rand(rows.item_seq.shape, generator=torch.Generator().manual_seed(9)) < 0.4
    return rows._replace(item_seq=rows.item_seq.masked_fill(gone, 0))


@pytest.mark.parametrize("wanted", ["items", "last"])
def test_nothing_looks_at_a_hole(wanted: Wanted) -> None:
    encoder = build().double()
    vectors = torch.randn(30, 16).double()
    rows = Rows(torch.tensor([[5, 0, 7, 8]]), torch.tensor([4]), wanted, holes=True)
    (before,) = encode(encoder, vectors, [rows], True)
    other = vectors.clone()
    other[0] += 1
    (after,) = encode(encoder, other, [rows], True)
    real = [0, 2, 3] if wanted == "items" else [0]
    torch.testing.assert_close(before[real], after[real])
    (seen,) = encode(encoder, other, [rows._replace(holes=False)], True)
    assert not torch.allclose(before[-1], seen[-1])


@pytest.mark.parametrize("causal", [True, False])
def test_batched_rows_equal_rows_one_by_one(causal: bool) -> None:
    encoder = build()
    vectors = torch.randn(30, 16)
    rows = random_rows(20, "items", 3)
    (together,) = encode(encoder, vectors, [rows], True, causal=causal)
    each = [
        [Rows(rows.item_seq[i : i + 1, :n], rows.seq_len[i : i + 1], "items")]
        for i, n in enumerate(rows.seq_len.tolist())
    ]
    alone = [encode(encoder, vectors, row, False, causal=causal)[0] for row in each]
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-5, atol=1e-5)


def test_later_items_do_not_reach_earlier_outputs() -> None:
    encoder = build()
    vectors = torch.randn(30, 16)
    rows = Rows(torch.arange(1, 7).unsqueeze(0), torch.tensor([6]), "items")
    (before,) = encode(encoder, vectors, [rows], True)
    changed = rows.item_seq.clone()
    changed[0, -1] = 20
    (after,) = encode(encoder, vectors, [rows._replace(item_seq=changed)], True)
    torch.testing.assert_close(before[:-1], after[:-1])
    assert not torch.allclose(before[-1], after[-1])


def test_dropout_draws_from_the_given_generator_and_only_in_training() -> None:
    generator = torch.Generator().manual_seed(7)
    encoder = TransformerEncoder(SETTINGS._replace(hidden_dropout_prob=0.5, attn_dropout_prob=0.5), generator)
    vectors, rows = torch.randn(30, 16), random_rows(10, "last", 0)
    state = generator.get_state()
    (a,) = encode(encoder, vectors, [rows], True)
    (b,) = encode(encoder, vectors, [rows], True)
    generator.set_state(state)
    (c,) = encode(encoder, vectors, [rows], True)
    assert torch.equal(a, c) and not torch.equal(a, b)
    encoder.eval()
    (d,) = encode(encoder, vectors, [rows], True)
    (e,) = encode(encoder, vectors, [rows], True)
    assert torch.equal(d, e)


def test_hidden_size_must_be_a_multiple_of_the_heads() -> None:
    with pytest.raises(ValueError, match="hidden_size 65"):
        build(hidden_size=65)
