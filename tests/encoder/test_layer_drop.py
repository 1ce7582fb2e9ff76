"""Layer dropping: the authors' numbers, and layers that are dropped item by item."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from torch import nn

from recbole_cl.batch import Rows, Wanted
from recbole_cl.encoder.layer_drop import LAYER_KINDS, LayerDropEncoder, draw_kept
from recbole_cl.encoder.packing import Packing, pack
from recbole_cl.encoder.registry import EncoderSettings
from tests.oracles.load import oracle

SETTINGS = EncoderSettings(1, 2, 8, 32, 0.0, 0.0, 1e-12, 6)
AUTHORS = {  # our name of a position-wise part of a layer -> the authors'
    "linear": "dense",
    "inner": "dense_1",
    "outer": "dense_2",
    "output_norm": "LayerNorm",
}


class Nothing(nn.Module):
    """An encoder that gives its wanted input back."""

    def forward(self, tokens: torch.Tensor, packing: Packing) -> torch.Tensor:
        return tokens if packing.wanted is None else tokens[packing.wanted]


def build(kind: str, n_layers: int = 3) -> LayerDropEncoder:
    torch.manual_seed(0)
    return LayerDropEncoder(Nothing(), kind, n_layers, SETTINGS).double()


def packed(wanted: Wanted = "items") -> Packing:
    """Four rows of six items."""
    rows = Rows(torch.ones(4, 6, dtype=torch.long), torch.full((4,), 6), wanted)
    return pack([rows], group_by_length=False)


@pytest.mark.parametrize("dropped", [None, 0, 1, 2])
@pytest.mark.parametrize("kind", ["single", "inter"])
def test_equal_to_the_authors_layers(kind: str, dropped: int | None) -> None:
    """Their `sasrec` layers, behind their encoder, are in the tests of the model."""
    c1 = oracle("c1_srma_layerdrop")
    encoder = build(kind)
    for name, parameter in encoder.named_parameters():
        _, number, part, what = name.split(".")
        theirs = f"{kind}::w::item_encoder.aug_layer.augment_layers.{number}.{AUTHORS[part]}.{what}"
        parameter.data.copy_(c1[theirs])
    kept = None if dropped is None else (torch.arange(3) != dropped).expand(24, 3)
    output = encoder(c1["layerdrop_hidden_in"].reshape(24, 8), packed(), kept).view(4, 6, 8)
    name = "eval" if dropped is None else f"train_drop{dropped}"
    torch.testing.assert_close(output, c1[f"{kind}::layerdrop_{name}_out"], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("wanted", ["items", "last"])
@pytest.mark.parametrize("kind", LAYER_KINDS)
def test_each_row_passes_its_own_layers(kind: str, wanted: Wanted) -> None:
    encoder, packing = build(kind), packed(wanted)
    tokens = torch.randn(24, 8, generator=torch.Generator().manual_seed(1)).double()
    of_row = torch.tensor([[True, True, True], [False, True, False], [True, False, True], [False, False, False]])
    mixed = encoder(tokens, packing, of_row.repeat_interleave(6, dim=0)).view(4, -1, 8)
    for row, kept in enumerate(of_row):
        layers = encoder.layers
        encoder.layers = nn.ModuleList(layer for layer, keep in zip(layers, kept.tolist(), strict=True) if keep)
        torch.testing.assert_close(mixed[row], encoder(tokens, packing).view(4, -1, 8)[row])
        encoder.layers = layers


def test_all_choices_of_dropped_layers_are_equally_likely() -> None:
    kept = draw_kept(6000, 4, 2, torch.Generator().manual_seed(0))
    assert (kept.sum(1) == 2).all()
    counts = Counter(map(tuple, kept.tolist()))
    assert len(counts) == 6 and all(abs(count - 1000) < 150 for count in counts.values())


@pytest.mark.parametrize("n_layers", [0, 3])
def test_no_layer_is_dropped_if_none_is_to_be(n_layers: int) -> None:
    assert draw_kept(2, n_layers, 0, torch.Generator()).tolist() == [[True] * n_layers] * 2


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="'double'"):
        build("double")
