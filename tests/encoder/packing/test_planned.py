"""Groups planned on the host: the same outputs as without any, fewer packed items, and no waiting."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from recbole_cl.batch import Rows, Wanted
from recbole_cl.encoder.packing import both_ways, pack, planned
from recbole_cl.encoder.packing.planned import group_widths, pack_planned
from recbole_cl.encoder.registry import EncoderSettings
from recbole_cl.encoder.transformer import TransformerEncoder
from recbole_cl.host import HostLengths

WIDTH = 40


def rows_of(n: int, wanted: Wanted, seed: int, known: str = "exact", holes: bool = False) -> Rows:
    generator = torch.Generator().manual_seed(seed)
    seq_len = (WIDTH * torch.rand(n, generator=generator) ** 3).long() + 1
    item_seq = torch.randint(1, 30, (n, WIDTH), generator=generator) * (torch.arange(WIDTH) < seq_len.unsqueeze(1))
    if holes:
        item_seq = item_seq.masked_fill(torch.rand(item_seq.shape, generator=generator) < 0.3, 0)
    bound = (seq_len + 2).clamp(max=WIDTH)
    host = {"exact": HostLengths(seq_len.numpy()), "bound": HostLengths(bound.numpy(), False), "nothing": None}[known]
    return Rows(item_seq, seq_len, wanted, holes, host=host)


@pytest.mark.parametrize("last_position", [None, WIDTH - 1])
@pytest.mark.parametrize("causal", [True, False])
def test_outputs_are_those_without_groups(
    causal: bool, last_position: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planned, "_WORTH_A_GROUP", 100)
    torch.manual_seed(0)
    encoder = TransformerEncoder(EncoderSettings(2, 2, 16, 32, 0.0, 0.0, 1e-12, WIDTH)).double()
    vectors = torch.randn(30, 16, dtype=torch.float64)
    segments = [
        rows_of(40, "items", 0),
        rows_of(40, "last", 1, "bound"),
        rows_of(30, "columns", 2),
        rows_of(20, "last", 3, "nothing"),
        rows_of(20, "items", 4, holes=True),
    ]
    items = torch.cat([rows.item_seq.flatten() for rows in segments])

    def outputs(packing: planned.Packing) -> list[Tensor]:
        encoded = encoder(vectors[items[packing.token_index]], packing if causal else both_ways(packing))
        return [encoded[index] for index in packing.outputs]

    for some in (segments, segments[1:2], segments[:1]):
        items = torch.cat([rows.item_seq.flatten() for rows in some])
        packing = pack_planned(some, last_position)
        for a, b in zip(outputs(packing), outputs(pack(some, False, last_position)), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)
        assert len(packing.token_index) < items.numel()


def test_few_groups_hold_little_padding() -> None:
    lengths = np.minimum(50, 1 + np.random.default_rng(0).geometric(1 / 7, 2000))
    widths = group_widths(lengths, 50)
    assert (widths >= lengths).all() and set(widths.tolist()) == {8, 16, 32, 50}
    assert widths.sum() < 1.6 * lengths.sum() < 0.3 * 50 * 2000
    assert set(group_widths(lengths[:20], 50).tolist()) == {50}  # not worth a launch
    assert set(group_widths(np.full(2000, 50), 50).tolist()) == {50}
    assert set(group_widths(np.full(2000, 3), 4).tolist()) == {4}
