"""The LiGR encoder against the authors' numbers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from recbole_cl.batch import Rows
from recbole_cl.encoder.ligr import LiGREncoder, LiGRLayer
from recbole_cl.encoder.packing import pack
from recbole_cl.encoder.registry import EncoderSettings
from recbole_cl.loss.recommendation import bce, cross_entropy, uncorrected_softmax
from tests.encoder.test_transformer import encode, random_rows, with_holes
from tests.model.build import build_model, from_left_padded
from tests.oracles.load import oracle

_BLOCKS = "transformer_layers.inner.transformer_blocks."
_WITH_BIAS = {
    "layer_norm_1": "attention_norm",
    "layer_norm_2": "inner_norm",
    "multi_head_attn.out_proj": "attention_output",
    "gating_linear_1": "attention_gate",
    "gating_linear_2": "inner_gate",
}
_WITHOUT = {"ff_linear_1": "inner", "ff_linear_2": "outer", "ff_linear_3": "inner_factor"}


def layer_state(weights: dict[str, Tensor], theirs: str, ours: str) -> dict[str, Tensor]:
    state = {f"{ours}{name}.weight": weights[f"{theirs}feed_forward.{it}.weight"] for it, name in _WITHOUT.items()}
    for kind in ("weight", "bias"):
        state[f"{ours}query_key_value.{kind}"] = weights[f"{theirs}multi_head_attn.in_proj_{kind}"]
        state |= {f"{ours}{name}.{kind}": weights[f"{theirs}{their}.{kind}"] for their, name in _WITH_BIAS.items()}
    return state


def authors_model(k2: dict[str, Tensor]) -> Any:
    sizes: dict[str, Any] = {"hidden_size": 8, "inner_size": 16, "n_items": 13, "max_length": 6, "layer_norm_eps": 1e-5}
    model = build_model("SASRec", encoder="ligr", right_aligned=True, **sizes).eval()
    weights = {key[3:]: value for key, value in k2.items() if key.startswith("w::")}
    state = {"item_embedding.weight": weights["ids_emb.weight"]}
    state["encoder.position_embedding.weight"] = weights["pos_encoding_layer.pos_emb.weight"].flip(0)
    for i in range(2):
        state |= layer_state(weights, f"{_BLOCKS}{i}.", f"encoder.layers.{i}.")
    model.load_state_dict(state)
    return model


@pytest.mark.parametrize("grouped", [True, False])
def test_equal_to_the_authors_outputs_losses_and_gradients(grouped: bool) -> None:
    k2 = oracle("k2_esasrec_model_eval")
    model = authors_model(k2)
    model.group_by_length = grouped
    item_seq, seq_len = from_left_padded(k2["x"])
    every, last = model.encode(Rows(item_seq, seq_len, "items"), Rows(item_seq, seq_len))
    real = k2["x"] > 0
    torch.testing.assert_close(every, k2["output"][real], rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(model.score_items(last, 0, 13), k2["scores"], rtol=1e-6, atol=1e-6)
    target, negatives, table = k2["y"][real], k2["negatives"][real], model.item_table
    torch.testing.assert_close(cross_entropy(every, table, target), k2["full_softmax_loss"], rtol=1e-6, atol=1e-6)
    loss = uncorrected_softmax(every, table, target, negatives)
    torch.testing.assert_close(loss, k2["sampled_softmax_loss"], rtol=1e-6, atol=1e-6)
    loss.backward()
    expected = k2["sampled_softmax_grad_table"]
    torch.testing.assert_close(model.item_embedding.weight.grad[1:], expected[1:], rtol=1e-6, atol=1e-6)
    assert bce(every, table, target, negatives[:, 0]).isfinite()


def test_a_block_is_the_authors() -> None:
    k1, tag = oracle("k1_ligr_block"), "swiglu_bias0::"
    x = k1["x"].requires_grad_()
    n, width, size = x.shape
    layer = LiGRLayer(EncoderSettings(1, 2, size, 4 * size, 0.0, 0.0, 1e-5, width), None).double()
    weights = {key.removeprefix(f"{tag}w::"): value for key, value in k1.items() if key.startswith(f"{tag}w::")}
    layer.load_state_dict(layer_state(weights, "", ""))
    rows = Rows(torch.ones(n, width, dtype=torch.int64), torch.full((n,), width), "items")
    output = layer(x.reshape(-1, size), pack([rows], True), only_wanted=False).view_as(x)
    torch.testing.assert_close(output, k1[f"{tag}output"], rtol=1e-6, atol=1e-6)
    (gradient,) = torch.autograd.grad(output.square().sum(), x)
    torch.testing.assert_close(gradient, k1[f"{tag}grad_x"], rtol=1e-6, atol=1e-6)


def test_rows_with_padding_and_holes_are_the_same_however_grouped() -> None:
    torch.manual_seed(0)
    encoder: Any = LiGREncoder(EncoderSettings(2, 2, 16, 32, 0.0, 0.0, 1e-5, 12)).double()
    vectors = torch.randn(30, 16).double()
    segments = [
        with_holes(random_rows(40, "items", 1))._replace(holes=True),
        with_holes(random_rows(40, "last", 2))._replace(wanted="columns"),
        random_rows(40, "last", 3),
    ]
    for a, b in zip(*(encode(encoder, vectors, segments, how, 11) for how in (True, False)), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)
