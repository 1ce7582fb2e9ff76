"""Encoders by name: ours and other people's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from recbole_cl.batch import Rows
from recbole_cl.encoder.gru import GRUEncoder
from recbole_cl.encoder.packing import pack, padded
from recbole_cl.encoder.registry import ENCODERS, EncoderSettings
from recbole_cl.encoder.transformer import TransformerEncoder
from recbole_cl.errors import UsageError
from recbole_cl.registry import name_paths

SETTINGS = EncoderSettings(1, 2, 8, 16, 0.0, 0.0, 1e-12, 5, filter_cutoff=1)
OUTSIDE = """
from typing import Any, ClassVar

from torch import nn

from recbole_cl.encoder.registry import Abilities, SequenceEncoder


class Lookup(SequenceEncoder):
    abilities: ClassVar = Abilities(counts_positions=False, needs_heads=False, can_be_compiled=False, is_causal=True)

    def __init__(self, settings, generator=None):
        super().__init__(settings, generator)
        self.output = nn.Linear(settings.hidden_size, settings.hidden_size)

    def forward(self, tokens, packing):
        return self.output(tokens if packing.wanted is None else tokens[packing.wanted])
"""


def test_ours_are_found_by_name() -> None:
    assert ENCODERS.names() == ["transformer", "query_norm", "ligr", "bsarec", "gru"]
    assert ENCODERS.resolve("transformer") is TransformerEncoder and ENCODERS.resolve("GRU") is GRUEncoder


@pytest.mark.parametrize("name", ENCODERS.names())
@pytest.mark.parametrize("grouped", [True, False])
def test_ours_do_what_they_declare(name: str, grouped: bool) -> None:
    """Whether positions count, and whether later items reach earlier outputs."""
    encoder = ENCODERS.resolve(name)
    torch.manual_seed(0)
    model, vectors = encoder(SETTINGS).double(), torch.randn(9, 8).double()
    model.draw_weights(torch.Generator())
    outputs = {}
    for last, items in ((2, [3, 4, 5]), (4, [3, 4, 5]), (2, [3, 4, 8])):
        rows = Rows(torch.tensor([items]), torch.tensor([3]), "items")
        if encoder.abilities.encodes_padding:
            rows = padded(rows, SETTINGS.max_seq_length)
        packing = pack([rows], grouped, last, encoder.abilities.encodes_padding)
        output = model(vectors[rows.item_seq.flatten()[packing.token_index]], packing)
        outputs[last, items[-1]] = output[packing.outputs[0]]
    assert torch.allclose(outputs[2, 5], outputs[4, 5]) != encoder.abilities.counts_positions
    assert torch.allclose(outputs[2, 5][:2], outputs[2, 8][:2]) == encoder.abilities.is_causal
    assert not torch.allclose(outputs[2, 5][2], outputs[2, 8][2])


def test_only_an_encoder_that_needs_heads_minds_how_many_there_are() -> None:
    three = SETTINGS._replace(n_heads=3)
    for name in ENCODERS.names():
        encoder = ENCODERS.resolve(name)
        if encoder.abilities.needs_heads:
            with pytest.raises(ValueError, match="hidden_size 8 is not a multiple of n_heads 3"):
                encoder(three)
        else:
            encoder(three)


def test_an_encoder_of_somebody_else_is_found_by_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "somebodys_encoders").mkdir()
    (tmp_path / "somebodys_encoders" / "lookup.py").write_text(OUTSIDE, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    path = "somebodys_encoders.lookup.Lookup"
    with pytest.raises(UsageError, match=f"encoder {path}: named only by a stored file"):
        ENCODERS.resolve(path)
    name_paths(path)
    model: Any = ENCODERS.resolve(path)(SETTINGS)
    tokens = torch.randn(4, 8)
    packing = pack([Rows(torch.tensor([[1, 2], [3, 4]]), torch.tensor([2, 2]))], group_by_length=True)
    torch.testing.assert_close(model(tokens, packing), model.output(tokens[[1, 3]]))
    assert not model.abilities.needs_heads


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(UsageError, match=r"unknown encoder 'transfomer': did you mean transformer\?"):
        ENCODERS.resolve("transfomer")
