"""The query-norm encoder: equal to the authors' padded one, in outputs and gradients, with and without grouping."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from recbole_cl.batch import Rows
from recbole_cl.encoder.packing import pack
from recbole_cl.encoder.query_norm import QueryNormEncoder
from recbole_cl.encoder.registry import EncoderSettings
from recbole_cl.loss.recommendation import cross_entropy
from recbole_cl.ragged import real_items
from tests.encoder.test_transformer import encode, random_rows, with_holes
from tests.model.build import build_model, from_left_padded
from tests.oracles.load import oracle

LAYOUT: dict[str, Any] = {
    **{"encoder": "query_norm", "n_heads": 1, "layer_norm_eps": 1e-8, "initializer": "xavier"},
    **{"scale_items": True, "attend_padding": True, "right_aligned": True},
}


def authors_model(n1: dict[str, Any]) -> Any:
    sizes = {"hidden_size": 8, "inner_size": 8, "n_items": 13, "max_length": 6}
    model = build_model("SASRec", **sizes, **LAYOUT).eval()
    given = {key[3:]: value for key, value in n1.items() if key.startswith("w::")}
    names = {
        **{"attnLNs.{}": "query_norm", "attnLayers.{}.out_proj": "attention_output", "fwdLNs.{}": "inner_norm"},
        **{"fwdLayers.{}.conv1": "inner", "fwdLayers.{}.conv2": "outer"},
    }
    state = {"item_embedding.weight": given["Item.embeddings.weight"]}
    state["encoder.position_embedding.weight"] = given["Position.weight"]
    for kind in ("weight", "bias"):
        state[f"encoder.final_norm.{kind}"] = given[f"lastLN.{kind}"]
        for i in range(2):
            ours = f"encoder.layers.{i}."
            state[f"{ours}query_key_value.{kind}"] = given[f"attnLayers.{i}.in_proj_{kind}"]
            for theirs, name in names.items():
                state[f"{ours}{name}.{kind}"] = given[f"{theirs.format(i)}.{kind}"].squeeze(-1)
    model.load_state_dict(state)
    return model


@pytest.mark.parametrize("grouped", [True, False])
def test_equal_to_the_authors_outputs_loss_and_gradients(grouped: bool) -> None:
    n1 = oracle("n1_freerec_sasrec_eval")
    model = authors_model(n1)
    model.group_by_length = grouped
    item_seq, seq_len = from_left_padded(n1["input_ids"])
    every, last = model.encode(Rows(item_seq, seq_len, "items"), Rows(item_seq, seq_len))
    real = n1["input_ids"] > 0
    torch.testing.assert_close(every, n1["output"][real], rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(last, n1["output"][:, -1], rtol=1e-9, atol=1e-9)
    (columns,) = model.encode(Rows(item_seq, seq_len, "columns"))
    torch.testing.assert_close(columns.view_as(n1["output"]), n1["output"], rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(model.score_items(last, 1, 13), n1["scores_items_only"], rtol=1e-9, atol=1e-9)
    loss = cross_entropy(every, model.item_table[1:], n1["positives_0based"][real])
    torch.testing.assert_close(loss, n1["CE::loss"], rtol=1e-9, atol=1e-9)
    loss.backward()
    torch.testing.assert_close(model.item_embedding.weight.grad[1:], n1["CE::grad_item_embeddings"][1:])


def test_weights_begin_as_wide_as_the_authors() -> None:
    """But for the feed-forward part, which there begins as torch has it."""
    with np.load("tests/oracles/n1_freerec_sasrec_eval.npz", allow_pickle=False) as file:
        std = dict(zip(file["init_std_names"].tolist(), file["init_std"].tolist(), strict=True))
    model = build_model("SASRec", 12_102, 50, hidden_size=64, inner_size=64, **LAYOUT)
    layer = model.encoder.layers[0]
    ours = {
        "Item.embeddings.weight": model.item_embedding.weight,
        "Position.weight": model.encoder.position_embedding.weight,
        "attnLayers.0.in_proj_weight": layer.query_key_value.weight,
        "attnLayers.0.out_proj.weight": layer.attention_output.weight,
    }
    for name, weight in ours.items():
        assert float(weight.detach().std()) == pytest.approx(std[name], rel=0.05), name


@pytest.mark.parametrize("attend_padding", [True, False])
def test_rows_with_padding_and_holes_are_the_same_however_grouped(attend_padding: bool) -> None:
    torch.manual_seed(0)
    settings = EncoderSettings(2, 2, 16, 32, 0.0, 0.0, 1e-8, 12, True, attend_padding)
    encoder: Any = QueryNormEncoder(settings).double()
    vectors = torch.randn(30, 16).double()
    segments = [
        with_holes(random_rows(40, "items", 1))._replace(holes=True),
        with_holes(random_rows(40, "last", 2))._replace(wanted="columns"),
        random_rows(40, "last", 3),
    ]
    for a, b in zip(*(encode(encoder, vectors, segments, how, 11) for how in (True, False)), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


def test_padding_is_many_keys_of_zeros() -> None:
    """Against rows that are padded in full, looked at one by one, by the plain formula."""
    torch.manual_seed(0)
    settings = EncoderSettings(1, 2, 8, 8, 0.0, 0.0, 1e-8, 5, False, True)
    encoder = QueryNormEncoder(settings).double()
    layer: Any = encoder.layers[0]
    rows = Rows(torch.tensor([[1, 2, 3, 0, 0], [4, 0, 0, 0, 0]]), torch.tensor([3, 1]))
    vectors = torch.randn(5, 8).double()
    packing = pack([rows], True, 4)
    output = encoder(vectors[rows.item_seq.flatten()[packing.token_index]], packing)[packing.outputs[0]]
    real = real_items(rows.item_seq, rows.seq_len)
    for i, n in enumerate(rows.seq_len.tolist()):
        x = torch.zeros(5, 8).double()
        x[5 - n :] = vectors[rows.item_seq[i][real[i]]] + encoder.position_embedding.weight[5 - n :]
        q, k, v = (
            torch.nn.functional.linear(it, w, b).view(5, 2, 4).transpose(0, 1)
            for it, w, b in zip(
                (layer.query_norm(x), x, x),
                layer.query_key_value.weight.split(8),
                layer.query_key_value.bias.split(8),
                strict=True,
            )
        )
        weights = (q[:, -1:] @ k.transpose(1, 2) / math.sqrt(4)).softmax(-1)
        h = layer.inner_norm(x[-1] + layer.attention_output((weights @ v).transpose(0, 1).reshape(8)))
        expected = encoder.final_norm(h + layer.outer(layer.inner(h).relu()))
        torch.testing.assert_close(output[i], expected)
