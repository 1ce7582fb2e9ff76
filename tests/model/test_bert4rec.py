"""BERT4Rec: RecBole's numbers where it repeats RecBole, and the rows and draws of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from recbole_cl import run
from recbole_cl.augmentation.cloze import choose_hidden
from recbole_cl.batch import Batch, Rows
from recbole_cl.ragged import append, real_items
from recbole_cl.testing.toy import SMALL, write_cycle
from tests.model.build import build_model, transformer_state
from tests.oracles.load import oracle


def recboles(m1: dict[str, Tensor], exact: bool = True) -> Any:
    sizes = {"hidden_size": 8, "inner_size": 32, "n_items": 13, "max_length": 6}
    model = build_model("BERT4Rec", **sizes, mask_ratio=float(m1["mask_ratio"]), recbole_exact=exact).eval()
    weights = {key[3:]: value for key, value in m1.items() if key.startswith("w::")}
    state = {f"encoder.{name}": value for name, value in transformer_state(weights).items()}
    for ours, theirs in (("head", "output_ffn"), ("head_norm", "output_ln")):
        state |= {f"{ours}.{kind}": weights[f"{theirs}.{kind}"] for kind in ("weight", "bias")}
    state |= {"item_embedding.weight": weights["item_embedding.weight"], "item_bias": weights["output_bias"]}
    model.load_state_dict(state)
    return model


@pytest.mark.parametrize("grouped", [True, False])
def test_equal_to_recboles_scores(grouped: bool) -> None:
    m1 = oracle("m1_recbole_bert4rec_eval")
    model = recboles(m1)
    model.group_by_length = grouped
    hidden = model(m1["item_seq"], m1["item_len"])
    torch.testing.assert_close(model.score_items(hidden, 0, 13), m1["full_sort_scores"], rtol=1e-6, atol=1e-6)
    longest = int(m1["item_len"].max())
    torch.testing.assert_close(model(m1["item_seq"][:, :longest], m1["item_len"]), hidden)


@pytest.mark.parametrize("tag", ["cloze", "last"])
def test_equal_to_recboles_loss_and_gradients(tag: str) -> None:
    """With its masks, among them one at the oldest place, more than there are slots, and none in a row."""
    m1 = oracle("m1_recbole_bert4rec_eval")
    model = recboles(m1)
    loss = model.cloze_loss(Rows(m1["item_seq"], m1["item_len"]), m1[f"{tag}::masked_seq"] == m1["mask_id"])
    torch.testing.assert_close(loss, m1[f"{tag}::CE_loss"], rtol=1e-6, atol=1e-6)
    loss.backward()
    gradient = m1[f"{tag}::CE_grad_item_embedding"]
    torch.testing.assert_close(model.item_embedding.weight.grad[1:], gradient[1:], rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(model.item_bias.grad, m1[f"{tag}::CE_grad_output_bias"], rtol=1e-6, atol=1e-6)


def test_draws_are_recboles() -> None:
    m2 = oracle("m2_recbole_bert4rec_masking")
    draws, width = 4000, m2["item_seq"].shape[1]
    settings: dict[str, Any] = {"max_length": width, "mask_ratio": float(m2["mask_ratio"]), "last_item_share": 0.0}
    model = build_model("BERT4Rec", recbole_exact=True, **settings)
    item_seq, seq_len = m2["item_seq"].repeat(draws, 1), m2["item_len"].repeat(draws)
    hidden = model._hide(item_seq, seq_len)
    shares = [it.view(draws, -1, width).double().mean(0) for it in (hidden, model._counted(hidden))]
    for ours, theirs in zip(shares, (m2["masked_frequency"], m2["counted_frequency"]), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0.06)
    nothing = (~hidden.any(1)).view(draws, -1).double().mean(0)
    torch.testing.assert_close(nothing, m2["nothing_masked_frequency"], rtol=0, atol=0.06)


def test_a_row_always_hides_an_item_and_a_share_of_batches_the_last_ones_alone() -> None:
    seq_len = torch.tensor([1, 4, 9]).repeat(500)
    item_seq = torch.randint(1, 30, (1500, 10)) * (torch.arange(10) < seq_len[:, None])
    model = build_model("BERT4Rec", mask_ratio=0.1, last_item_share=0.3)
    last = torch.arange(10) == seq_len[:, None] - 1
    alone = 0
    for _ in range(200):
        hidden = model._hide(item_seq[:3], seq_len[:3])
        assert bool(hidden.any(1).all()) and not bool((hidden & ~real_items(item_seq[:3], seq_len[:3])).any())
        alone += bool(torch.equal(hidden, last[:3]))
    assert 35 <= alone <= 90
    hidden = choose_hidden(item_seq, seq_len, model.generator, ratio=0.1, always="one")[2::3, :9]
    places = hidden[hidden.sum(1) == 1].double().mean(0)  # a lone hidden item is any of them
    torch.testing.assert_close(places, torch.full((9,), 1 / 9).double(), rtol=0, atol=0.06)
    hidden = choose_hidden(item_seq, seq_len, model.generator, ratio=0.1, always="last")
    assert bool((hidden & last).any(1).all())


def test_rows_hold_their_target_and_test_rows_a_mask() -> None:
    seen: list[tuple[Tensor, Tensor]] = []
    model = build_model("BERT4Rec", max_length=4, last_item_share=1.0).eval()
    encode = model.encode

    def noted(rows: Rows) -> Any:
        seen.append((rows.item_seq, rows.seq_len))
        return encode(rows)

    model.encode = noted
    batch = Batch(torch.tensor([[3, 4, 5, 6], [7, 0, 0, 0]]), torch.tensor([4, 1]), torch.tensor([8, 9]))
    model.losses(batch)
    model(batch.item_seq, batch.seq_len)
    model(batch.item_seq[1:, :1], batch.seq_len[1:])
    mask = model.mask_id
    expected = [[4, 5, 6, mask], [7, mask, 0, 0]]  # a full row loses its oldest item
    assert [it[0].tolist() for it in seen] == [expected, expected, [[7, mask]]]
    assert [it[1].tolist() for it in seen] == [[4, 2], [4, 2], [2]]


def test_an_item_sees_both_sides() -> None:
    model = build_model("BERT4Rec").eval()
    rows = torch.tensor([[3, 4, 5, 6]])
    first = [model.encode(Rows(rows + torch.tensor([0, 0, 0, i]), torch.tensor([4]), "items"))[0][0] for i in (0, 1)]
    assert not torch.allclose(*first)


def test_one_more_item() -> None:
    rows, length = append(torch.tensor([[1, 2], [3, 0]]), torch.tensor([2, 1]), torch.tensor([8, 9]), 2)
    assert rows.tolist() == [[2, 8], [3, 9]] and length.tolist() == [2, 2]
    rows, length = append(torch.tensor([[1, 2], [3, 0]]), torch.tensor([2, 1]), torch.tensor([8, 9]), 5)
    assert rows.tolist() == [[1, 2, 8], [3, 9, 0]] and length.tolist() == [3, 2]


@pytest.mark.slow
@pytest.mark.parametrize("form", ["prefix", "sequence"])
def test_learns_the_circle(form: str, tmp_path: Path) -> None:
    """In more steps than the other methods, from positions and weights that make it easier."""
    epochs, batch_size = {"prefix": (25, 64), "sequence": (45, 16)}[form]
    settings = SMALL | write_cycle(tmp_path) | {"train_form": form, "epochs": epochs, "train_batch_size": batch_size}
    settings |= {"right_aligned": True, "initializer": "xavier", "hidden_dropout_prob": 0.1, "attn_dropout_prob": 0.1}
    metrics = {"metrics": ["Recall", "MRR"], "topk": [1, 10], "learning_rate": 0.01, "eval_step": epochs}
    result = run("BERT4Rec", "cycle", **(settings | metrics))
    assert result.test["history_removed"]["recall@1"] > 0.9
