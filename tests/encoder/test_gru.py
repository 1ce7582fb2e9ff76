"""The recurrent encoder: a plain GRU over each row alone, whatever the packing, and what id 0 does to it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from recbole_cl.batch import Rows, Wanted
from recbole_cl.encoder import gru
from recbole_cl.encoder.gru import GRUEncoder
from recbole_cl.encoder.packing import pack
from recbole_cl.encoder.registry import EncoderSettings

N_ITEMS, WIDTH, SIZE = 30, 12, 16


def build(
    n_layers: int = 2,
    dropout: float = 0.0,
    generator: torch.Generator | None = None,
) -> GRUEncoder:
    torch.manual_seed(0)
    settings = EncoderSettings(n_layers, 1, SIZE, SIZE, dropout, 0.0, 1e-12, WIDTH)
    return GRUEncoder(settings, generator).double()


def vectors() -> torch.Tensor:
    return torch.randn(N_ITEMS, SIZE, generator=torch.Generator().manual_seed(1)).double()


def encode(encoder: GRUEncoder, table: torch.Tensor, segments: list[Rows], grouped: bool) -> list[torch.Tensor]:
    packing = pack(segments, grouped)
    items = torch.cat([rows.item_seq.flatten() for rows in segments])[packing.token_index]
    output = encoder(table[items], packing)
    return [output[index] for index in packing.outputs]


def random_rows(n: int, seed: int, with_holes: bool = False, wanted: Wanted = "last") -> Rows:
    generator = torch.Generator().manual_seed(seed)
    seq_len = torch.randint(1, WIDTH + 1, (n,), generator=generator)
    item_seq = torch.randint(1, N_ITEMS, (n, WIDTH), generator=generator)
    if with_holes:
        item_seq *= torch.rand(n, WIDTH, generator=generator) < 0.6
    return Rows(item_seq * (torch.arange(WIDTH) < seq_len.unsqueeze(1)), seq_len, wanted, with_holes)


def one_by_one(encoder: GRUEncoder, table: torch.Tensor, rows: Rows) -> list[torch.Tensor]:
    """Outputs at every place of each row, by a plain GRU over its items; as before where there is none."""
    outputs = []
    for items, length in zip(rows.item_seq, rows.seq_len.tolist(), strict=True):
        states = [torch.zeros(SIZE).double()]
        present = [item for item in items[:length].tolist() if item]
        if present:
            states += list(encoder.recurrence(table[present])[0])
        count = (items[:length] > 0).cumsum(0).tolist()
        outputs.append(encoder.output(torch.stack([states[n] for n in count])))
    return outputs


@pytest.mark.parametrize("with_holes", [True, False])
def test_nothing_is_copied_between_the_host_and_a_device(with_holes: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    groups = pack([random_rows(5, 0, with_holes=with_holes)], False).groups
    away = [
        replace(it, seq_len=it.seq_len.to("meta"), barred=None if it.barred is None else it.barred.to("meta"))
        for it in groups
    ]
    assert all(it.slots is None and (it.barred is not None) == with_holes for it in away)
    for copy in ("to", "cpu", "cuda"):
        monkeypatch.setattr(torch.Tensor, copy, None)
    steps = gru._steps(away, sum(it.n_tokens for it in away))
    assert steps.sizes.is_cpu and steps.write.is_meta and steps.read.is_meta


@pytest.fixture(params=[True, False])
def _both_ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reads items alone, which have to be counted first, as on the CPU; or what is no item as well, as on a GPU."""
    monkeypatch.setattr(gru.host, "waits_for", lambda device: not request.param)


BOTH_WAYS = pytest.mark.usefixtures("_both_ways")


@BOTH_WAYS
@pytest.mark.parametrize("grouped", [True, False])
@pytest.mark.parametrize("with_holes", [True, False])
def test_equal_to_a_plain_gru_over_each_row(grouped: bool, with_holes: bool) -> None:
    encoder, table = build(), vectors()
    last, every = random_rows(30, 2, with_holes), random_rows(25, 3, with_holes, wanted="items")
    padded = random_rows(20, 4, with_holes, wanted="columns")
    at_last, at_every, at_columns = encode(encoder, table, [last, every, padded], grouped)
    torch.testing.assert_close(at_last, torch.stack([row[-1] for row in one_by_one(encoder, table, last)]))
    torch.testing.assert_close(at_every, torch.cat(one_by_one(encoder, table, every)))
    nothing = encoder.output(torch.zeros(SIZE).double())  # before the first item
    rows = [torch.cat((nothing.expand(WIDTH - len(row), -1), row)) for row in one_by_one(encoder, table, padded)]
    torch.testing.assert_close(at_columns, torch.cat(rows))


def test_reads_no_padding_where_items_are_counted_at_once() -> None:
    rows = random_rows(20, 4, True, wanted="columns")
    packing = pack([rows], True)
    steps = gru._steps(packing.groups, len(packing.token_index))
    assert steps.items is not None
    read = rows.item_seq.flatten()[packing.token_index[steps.items]]
    assert read.sort().values.tolist() == rows.item_seq[rows.item_seq > 0].sort().values.tolist()
    assert int(steps.sizes.sum()) == len(read)


@BOTH_WAYS
def test_rows_without_any_item_give_what_stands_before_the_first() -> None:
    encoder, table = build(), vectors()
    rows = Rows(torch.zeros(3, WIDTH, dtype=torch.long), torch.full((3,), 2), wanted="columns", holes=True)
    (output,) = encode(encoder, table, [rows], True)
    torch.testing.assert_close(output, encoder.output(torch.zeros(SIZE).double()).expand(3 * WIDTH, -1))


@BOTH_WAYS
def test_grouped_equals_whole_in_gradients() -> None:
    segments = [random_rows(40, 5), random_rows(30, 6, True, wanted="columns"), random_rows(20, 7, wanted="items")]
    results = []
    for grouped in (True, False):
        encoder, table = build(), vectors().requires_grad_()
        outputs = encode(encoder, table, segments, grouped)
        torch.stack([(output.sin() * (i + 1)).sum() for i, output in enumerate(outputs)]).sum().backward()
        results.append([table.grad, *(parameter.grad for parameter in encoder.parameters())])
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


def test_dropout_draws_from_the_given_generator_and_only_in_training() -> None:
    generator = torch.Generator().manual_seed(7)
    encoder, table, rows = build(1, 0.5, generator), vectors(), random_rows(10, 8)
    state = generator.get_state()
    (a,), (b,) = encode(encoder, table, [rows], True), encode(encoder, table, [rows], True)
    generator.set_state(state)
    (c,) = encode(encoder, table, [rows], True)
    assert torch.equal(a, c) and not torch.equal(a, b)
    encoder.eval()
    assert torch.equal(encode(encoder, table, [rows], True)[0], encode(encoder, table, [rows], True)[0])
