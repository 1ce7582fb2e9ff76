"""What every method shares: weights by the seed, one pass for all rows, and encoders that can do what is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from recbole_cl.batch import Rows
from recbole_cl.config.models import model_class
from recbole_cl.errors import UsageError
from tests.model.build import build_model
from tests.model.test_contract import assemble


@pytest.mark.parametrize("encoder", ["transformer", "gru"])
def test_the_seed_alone_decides_the_first_weights(encoder: str) -> None:
    one, two, other = (build_model("SASRec", encoder=encoder, seed=seed).state_dict() for seed in (4, 4, 5))
    assert all(torch.equal(value, two[key]) for key, value in one.items())
    assert not torch.equal(one["item_embedding.weight"], other["item_embedding.weight"])


def test_one_pass_over_several_segments_is_a_pass_over_each() -> None:
    model = build_model("SASRec")
    items, n = torch.tensor([[1, 2, 3, 0], [4, 5, 0, 0]]), torch.tensor([3, 2])
    segments = [Rows(items, n), Rows(items.flip(0), n.flip(0), "items")]
    for together, segment in zip(model.encode(*segments), segments, strict=True):
        torch.testing.assert_close(together, model.encode(segment)[0])


def test_the_mask_token_has_a_row_and_no_score() -> None:
    model = build_model("CL4SRec")
    assert model.item_embedding.num_embeddings == model.n_items + 1 and len(model.item_table) == model.n_items
    assert build_model("SASRec").item_embedding.num_embeddings == model.n_items


@pytest.mark.parametrize(
    ("name", "settings", "expected"),
    [
        ("SASRec", {"n_heads": 3}, "hidden_size = 16: expected a multiple of n_heads = 3"),
        ("ECLSR", {"encoder": "gru"}, "encoder = gru: .* set encoder to transformer"),
    ],
)
def test_an_encoder_that_can_not_do_it_is_refused(name: str, settings: dict[str, Any], expected: str) -> None:
    with pytest.raises(UsageError, match=expected):
        build_model(name, **settings)


def test_what_cannot_be_compiled_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="set length_grouping to auto or False"):
        assemble(model_class("SASRec"), tmp_path / "grouped", compile_encoder=True, length_grouping=True)
    with pytest.raises(UsageError, match="encoder = gru"):
        assemble(model_class("SASRec"), tmp_path / "gru", compile_encoder=True, encoder="gru")
    attending = {"encoder": "query_norm", "attend_padding": True}
    with pytest.raises(UsageError, match="attend_padding draws numbers"):
        assemble(model_class("SASRec"), tmp_path / "padding", compile_encoder=True, **attending)
