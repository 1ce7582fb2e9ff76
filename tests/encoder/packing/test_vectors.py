"""Rows of vectors, encoded like rows of ids."""

from __future__ import annotations

import pytest
import torch

from recbole_cl.batch import Rows
from recbole_cl.encoder.packing import both_ways, encode_vectors, pack
from recbole_cl.encoder.registry import EncoderSettings
from recbole_cl.encoder.transformer import TransformerEncoder

LENGTHS = torch.tensor([3, 1, 5, 2, 5, 4])


def vectors(size: int = 8) -> torch.Tensor:
    n = int(LENGTHS.sum())
    return torch.randn(n, size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def encoder() -> TransformerEncoder:
    torch.manual_seed(0)
    return TransformerEncoder(EncoderSettings(2, 2, 8, 16, 0.0, 0.0, 1e-12, 6)).double()


@pytest.mark.parametrize("grouped", [True, False])
@pytest.mark.parametrize("last_position", [None, 5])
@pytest.mark.parametrize("bidirectional", [True, False])
def test_rows_of_vectors_are_encoded_one_by_one(bidirectional: bool, last_position: int | None, grouped: bool) -> None:
    tokens, model = vectors(), encoder()
    rows = Rows(torch.ones(len(LENGTHS), 6, dtype=torch.int64), LENGTHS)
    expected = []
    for own in tokens.split(LENGTHS.tolist()):
        n = len(own)
        alone = Rows(torch.ones(1, n, dtype=torch.int64), torch.tensor([n]), wanted="items")
        packing = pack([alone], True, last_position)
        expected.append(model(own, both_ways(packing) if bidirectional else packing))
    result = encode_vectors(model, tokens, rows, grouped, last_position, bidirectional)
    torch.testing.assert_close(result, torch.cat(expected), rtol=1e-10, atol=1e-10)
