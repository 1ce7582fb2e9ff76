"""BSARec's encoder against the authors' numbers, and what comes of its filter over whole rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from recbole_cl.batch import Rows
from recbole_cl.encoder.bsarec import low_pass_matrix
from recbole_cl.encoder.packing import pack
from recbole_cl.errors import UsageError
from recbole_cl.loss.recommendation import cross_entropy
from tests.model.build import build_model, from_left_padded
from tests.oracles.load import oracle

_LAYER = {
    "layer.filter_layer.LayerNorm": "filter_norm",
    "layer.attention_layer.dense": "attention_output",
    "layer.attention_layer.LayerNorm": "attention_norm",
    "feed_forward.dense_1": "inner",
    "feed_forward.dense_2": "outer",
    "feed_forward.LayerNorm": "output_norm",
}


def layer_state(weights: dict[str, Tensor], theirs: str, ours: str) -> dict[str, Tensor]:
    state = {f"{ours}high_weight": weights[f"{theirs}layer.filter_layer.sqrt_beta"].flatten()}
    for kind in ("weight", "bias"):
        parts = [weights[f"{theirs}layer.attention_layer.{part}.{kind}"] for part in ("query", "key", "value")]
        state[f"{ours}query_key_value.{kind}"] = torch.cat(parts)
        state |= {f"{ours}{name}.{kind}": weights[f"{theirs}{their}.{kind}"] for their, name in _LAYER.items()}
    return state


def authors_model(values: dict[str, Tensor], **settings: Any) -> Any:
    sizes = {"hidden_size": 8, "inner_size": 32, "n_items": 13, "max_length": 6}
    model = build_model("SASRec", encoder="bsarec", **(sizes | settings)).eval()
    weights = {key[3:]: value for key, value in values.items() if key.startswith("w::")}
    state = {"item_embedding.weight": weights["item_embeddings.weight"]}
    state["encoder.position_embedding.weight"] = weights["position_embeddings.weight"]
    state |= {f"encoder.layer_norm.{kind}": weights[f"LayerNorm.{kind}"] for kind in ("weight", "bias")}
    for i in range(2):
        state |= layer_state(weights, f"item_encoder.blocks.{i}.", f"encoder.layers.{i}.")
    model.load_state_dict(state)
    return model


@pytest.mark.parametrize(("cutoff", "share", "heads"), [(3, 0.7, 2), (5, 0.7, 1), (5, 0.3, 4)])
def test_equal_to_the_authors_outputs_loss_and_gradients(cutoff: int, share: float, heads: int) -> None:
    j2, tag = oracle("j2_bsarec_model_eval"), f"c{cutoff}_alpha{share}_h{heads}::"
    model = authors_model(j2, filter_cutoff=cutoff, filter_share=share, n_heads=heads)
    item_seq, seq_len = from_left_padded(j2["input_ids"])
    last, every, columns = (model.encode(Rows(item_seq, seq_len, wanted)) for wanted in ("last", "items", "columns"))
    torch.testing.assert_close(columns[0].view_as(j2[f"{tag}output"]), j2[f"{tag}output"], rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(every[0], j2[f"{tag}output"][j2["input_ids"] > 0], rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(model.score_items(last[0], 0, 13), j2[f"{tag}scores"], rtol=1e-6, atol=1e-6)
    loss = cross_entropy(last[0], model.item_table, j2["answers"])
    torch.testing.assert_close(loss, j2[f"{tag}loss"], rtol=1e-6, atol=1e-6)
    loss.backward()
    for ours, theirs in (
        (model.item_embedding.weight.grad[1:], j2[f"{tag}grad_item_embeddings"][1:]),
        (model.encoder.layers[0].high_weight.grad, j2[f"{tag}grad_sqrt_beta_block0"].flatten()),
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-6)


def test_a_block_is_the_authors_at_every_cutoff() -> None:
    j1 = oracle("j1_bsarec_layer")
    x = j1["x"]
    n, width, size = x.shape
    rows = Rows(torch.ones(n, width, dtype=torch.int64), torch.full((n,), width), "columns")
    for cutoff in (1, 3, 5, 7, 9):
        for share in (0.1, 0.7):
            sizes = {"hidden_size": size, "inner_size": 4 * size, "n_heads": 2, "max_length": width}
            model = build_model("SASRec", encoder="bsarec", filter_cutoff=cutoff, filter_share=share, **sizes)
            layer = model.encoder.layers[0]
            layer.load_state_dict(layer_state({k[3:]: v for k, v in j1.items() if k.startswith("w::")}, "", ""))
            output = layer(x.reshape(-1, size), pack([rows], True, padding_first=True), only_wanted=False)
            expected = j1[f"block_c{cutoff}_alpha{share}"]
            torch.testing.assert_close(output.view_as(x), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("width", [7, 8])
@pytest.mark.parametrize("cutoff", [1, 2, 5, 20])
def test_the_matrix_is_the_transform(width: int, cutoff: int) -> None:
    x = torch.randn(width, 3, generator=torch.Generator().manual_seed(1))
    spectrum = torch.fft.rfft(x, dim=0, norm="ortho")
    spectrum[cutoff // 2 + 1 :] = 0
    expected = torch.fft.irfft(spectrum, n=width, dim=0, norm="ortho")
    torch.testing.assert_close(low_pass_matrix(width, cutoff) @ x, expected)


@pytest.mark.parametrize("grouped", [True, False])
def test_packing_and_the_longest_row_of_a_batch_change_nothing(grouped: bool) -> None:
    """Each row as if it were alone, with all its padding, whatever is wanted of it and of the others."""
    model = build_model("SASRec", encoder="bsarec").eval()
    model.group_by_length = grouped
    generator = torch.Generator().manual_seed(2)
    seq_len = torch.tensor([3, 10, 1, 3])
    item_seq = torch.randint(1, 30, (4, 10), generator=generator) * (torch.arange(10) < seq_len[:, None])
    last, items = model.encode(Rows(item_seq, seq_len), Rows(item_seq[[0, 2, 3], :3], seq_len[[0, 2, 3]], "items"))
    alone = [model.encode(Rows(item_seq[i : i + 1], seq_len[i : i + 1], "items"))[0] for i in range(4)]
    torch.testing.assert_close(last, torch.stack([it[-1] for it in alone]))
    torch.testing.assert_close(items, torch.cat([alone[0], alone[2], alone[3]]))


def test_all_blocks_begin_with_one_beta_that_the_seed_decides() -> None:
    betas = [
        [it.high_weight for it in build_model("SASRec", encoder="bsarec", seed=s).encoder.layers] for s in (1, 1, 2)
    ]
    assert torch.equal(betas[0][0], betas[0][1]) and torch.equal(betas[0][0], betas[1][0])
    assert not torch.equal(betas[0][0], betas[2][0]) and 0.3 < float(betas[0][0].detach().std()) < 2


def test_what_would_see_its_targets_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"encoder = bsarec: .* set train_form to prefix"):
        build_model("SASRec", encoder="bsarec", train_form="sequence")
    with pytest.raises(UsageError, match="encoder = bsarec: ECLSR encodes rows without padding"):
        build_model("ECLSR", encoder="bsarec")
