"""ELECRec against the authors' numbers: both losses, draws, scores, and two steps of shared weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from recbole_cl.batch import Batch, Rows
from recbole_cl.errors import UsageError
from recbole_cl.loss.recommendation import cross_entropy
from recbole_cl.loss.replaced_item import replaced_item_loss
from recbole_cl.sampling.masked_items import choose_items
from recbole_cl.trainer.step import step_again
from tests.model.build import build_model, from_left_padded, s3rec_state
from tests.oracles.load import oracle


def authors_model(values: dict[str, Tensor], **settings: Any) -> Any:
    weights = {key[3:]: value for key, value in values.items() if key.startswith("w::")}
    n_items, size = weights["discriminator.item_embeddings.weight"].shape
    length = len(weights["discriminator.position_embeddings.weight"])
    sizes = {"hidden_size": size, "inner_size": 4 * size, "n_items": n_items, "max_length": length}
    model = build_model("ELECRec", **sizes, **settings).eval()
    state = {"item_embedding.weight": weights["discriminator.item_embeddings.weight"]}
    for ours, theirs in (("encoder", "discriminator."), ("item_generator", "generator.")):
        state |= {f"{ours}.{name}": value for name, value in s3rec_state(weights, theirs).items()}
    state |= {f"judge.{kind}": weights[f"discriminator.dis_projection.{kind}"] for kind in ("weight", "bias")}
    model.load_state_dict(state)
    return model


def columns(model: Any, encoder: Any, padded: Tensor) -> Tensor:
    """Outputs of an encoder at all columns of left-padded rows, [B * L, D]."""
    (hidden,) = model.encode_by(encoder, Rows(*from_left_padded(padded), "columns"))
    return hidden


def test_both_nets_and_the_scores_are_the_authors() -> None:
    g5 = oracle("g5_elecrec_sampling_eval")
    model = authors_model(g5, share_parameters="embeddings")
    shape = g5["generator_output"].shape
    for encoder, name in ((model.item_generator, "generator"), (model.encoder, "discriminator")):
        hidden = columns(model, encoder, g5["input_ids"]).view(shape)
        torch.testing.assert_close(hidden, g5[f"{name}_output"], rtol=1e-6, atol=1e-6)
    scores = model.score_items(model(*from_left_padded(g5["input_ids"])), 0, shape[2] + 6)
    torch.testing.assert_close(scores, g5["evaluation_scores"], rtol=1e-6, atol=1e-6)
    loss = cross_entropy(g5["generator_output"].flatten(0, 1), model.item_table, g5["target"].flatten())
    torch.testing.assert_close(loss, g5["gen_loss"], rtol=1e-6, atol=1e-6)  # padding counts


@pytest.mark.parametrize("power", [1.0, 4.4])
def test_items_are_drawn_by_the_power_of_their_probability(power: float) -> None:
    g5 = oracle("g5_elecrec_sampling_eval")
    expected = g5[f"power{power}::expected_probability"].flatten(0, 1)[:6]  # [6, 13], of items 1 to 13
    logits = torch.cat((torch.full((6, 1), 9.0), g5["generator_item_probability"].flatten(0, 1)[:6].log()), dim=1)
    draws = 8000
    items = choose_items(logits.repeat(draws, 1), torch.Generator().manual_seed(3), power).view(draws, 6)
    shares = torch.stack([(items == item).double().mean(0) for item in range(1, 14)], dim=1)
    torch.testing.assert_close(shares, expected, rtol=0, atol=0.02)
    theirs = g5[f"power{power}::sampled_frequency"].flatten(0, 1)[:6, 1:]
    torch.testing.assert_close(shares, theirs, rtol=0, atol=0.04)


def test_two_steps_of_shared_weights_are_the_authors() -> None:
    """Losses with padding counted, gradients, and weights of which the shared ones are updated twice a step."""
    g7 = oracle("g7_elecrec_shared_step")
    model = authors_model(g7)
    optimizer = torch.optim.Adam(model.parameters(), lr=float(g7["lr"]))
    watched = {
        "shared_table": lambda: model.item_embedding.weight,
        "shared_query": lambda: model.encoder.layers[0].query_key_value.weight,
        "generator_norm": lambda: model.item_generator.layer_norm.weight,
        "discriminator_head": lambda: model.judge.weight,
    }
    counted = g7["target"].flatten() > 0
    for step in (1, 2):
        hidden = columns(model, model.item_generator, g7["input_ids"])
        generator_loss = cross_entropy(hidden, model.item_table, g7["target"].flatten())
        odds = model.judge(columns(model, model.encoder, g7["fake"])).squeeze(1)
        replaced = (g7["fake"] != g7["target"]).flatten()
        discriminator_loss = replaced_item_loss(-odds[counted], replaced[counted])
        for name, loss in (("generator", generator_loss), ("discriminator", discriminator_loss)):
            torch.testing.assert_close(loss, g7[f"step{step}::{name}_loss"], rtol=1e-6, atol=1e-6)
        optimizer.zero_grad()
        (generator_loss + float(g7["discriminator_weight"]) * discriminator_loss).backward()
        for name, weight in watched.items():
            expected = g7[f"step{step}::grad_{name}"]
            first = 1 if name == "shared_table" else 0
            ours = weight().grad[: len(expected)]
            torch.testing.assert_close(ours[first:], expected[first:], rtol=1e-6, atol=1e-6, msg=name)
        optimizer.step()
        step_again(optimizer, model.stepped_twice)
        for name, weight in watched.items():
            expected = g7[f"step{step}::after_{name}"]
            first = 1 if name == "shared_table" else 0
            ours = weight().detach()[: len(expected)]
            torch.testing.assert_close(ours[first:], expected[first:], rtol=1e-6, atol=1e-6, msg=name)


@pytest.mark.parametrize("form", ["prefix", "sequence"])
@pytest.mark.parametrize("ratio", [1e-6, 0.5, 1.0])
def test_a_share_of_next_items_is_replaced(form: str, ratio: float) -> None:
    model = build_model("ELECRec", train_form=form, replace_ratio=ratio, n_items=1000)
    target = torch.randint(1, 1000, (50, 10), generator=torch.Generator().manual_seed(1))
    rows = Rows(target, torch.full((50,), 10), "items")
    rows = rows._replace(places=rows.item_places())
    altered, replaced = model.replace(torch.zeros(500, 16).double(), rows)
    assert torch.equal(replaced, (altered.item_seq != target).flatten())
    assert float(replaced.double().mean()) == pytest.approx(ratio, abs=0.08)
    assert int(altered.item_seq.min()) >= 1 and int(altered.item_seq.max()) < 1000


def test_the_prefix_form_judges_the_next_item_of_every_place() -> None:
    seen: list[Tensor] = []
    model = build_model("ELECRec", train_form="prefix", replace_ratio=1e-9)
    reality: Any = model.reality

    def noted(rows: Rows) -> Tensor:
        seen.append(rows.item_seq)
        return reality(rows)

    model.reality = noted
    model.losses(Batch(torch.tensor([[3, 4, 5, 6], [7, 0, 0, 0]]), torch.tensor([4, 1]), torch.tensor([8, 9])))
    assert seen[0].tolist() == [[4, 5, 6, 8], [9, 0, 0, 0]]


def test_what_is_shared() -> None:
    whole, tables = (build_model("ELECRec", share_parameters=how) for how in ("all", "embeddings"))
    assert whole.item_generator.layers is whole.encoder.layers
    assert tables.item_generator.layers is not tables.encoder.layers
    for model in (whole, tables):
        assert model.item_generator.position_embedding is model.encoder.position_embedding
        assert model.item_generator.layer_norm is not model.encoder.layer_norm
    assert len(tables.stepped_twice) == 2 < len(whole.stepped_twice)
    assert not build_model("ELECRec", double_steps=False).stepped_twice


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(UsageError, match="encoder = bsarec: ELECRec draws next items at every position"):
        build_model("ELECRec", encoder="bsarec", train_form="prefix")
    with pytest.raises(UsageError, match="count_padding_targets = True: rows have one target in the prefix form"):
        build_model("ELECRec", count_padding_targets=True, train_form="prefix")
    with pytest.raises(UsageError, match="count_padding_targets = True: padding stands before the items"):
        build_model("ELECRec", count_padding_targets=True, right_aligned=False)


def test_padding_counts_where_it_is_asked_to() -> None:
    batch = Batch(
        item_seq=torch.tensor([[3, 4, 5, 6], [7, 0, 0, 0]]),
        seq_len=torch.tensor([4, 1]),
        target=torch.tensor([8, 9]),
        next_items=torch.tensor([[4, 5, 6, 8], [9, 0, 0, 0]]),
    )
    plain, padded = (build_model("ELECRec", count_padding_targets=how, max_length=4) for how in (False, True))
    hidden = columns(padded, padded.item_generator, torch.tensor([[3, 4, 5, 6], [0, 0, 0, 7]]))
    expected = cross_entropy(hidden, padded.item_table, torch.tensor([4, 5, 6, 8, 0, 0, 0, 9]))
    torch.testing.assert_close(padded.losses(batch)["recommendation"], expected)
    assert plain.losses(batch)["recommendation"] != padded.losses(batch)["recommendation"]
