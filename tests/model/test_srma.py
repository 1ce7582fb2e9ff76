"""SRMA: the authors' numbers, and each of its augmentations by itself."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from recbole_cl.batch import Batch, Rows
from recbole_cl.encoder.dropout import Dropout
from recbole_cl.errors import UsageError
from recbole_cl.model.contrast.pairs import PairLoss, ViewPair
from recbole_cl.model.contrast.pooling import pool, rows_to_pool
from tests.model.build import build_model, from_left_padded
from tests.model.srma_weights import build_srma
from tests.oracles.load import oracle

KINDS = {"single": "single", "inter": "inter", "sasrec": "transformer"}  # the authors' name -> ours
GROUPED = pytest.mark.parametrize("grouped", [True, False])


def weights(values: dict[str, Any], prefix: str) -> dict[str, Tensor]:
    prefix += "::w::"
    return {key.removeprefix(prefix): value for key, value in values.items() if key.startswith(prefix)}


def a_batch(n_rows: int = 40, width: int = 10) -> Batch:
    generator = torch.Generator().manual_seed(3)
    seq_len = torch.randint(1, width + 1, (n_rows,), generator=generator)
    item_seq = torch.randint(1, 30, (n_rows, width), generator=generator) * (torch.arange(width) < seq_len[:, None])
    return Batch(item_seq, seq_len, torch.randint(1, 30, (n_rows,), generator=generator))


def compared(model: Any) -> list[ViewPair]:
    """Collects the pairs of views that a model compares from now on."""
    pairs: list[ViewPair] = []
    compare = model.compare_views

    def collect(loss: PairLoss, pair: ViewPair) -> Tensor:
        pairs.append(pair)
        return compare(loss, pair)

    model.compare_views = collect
    return pairs


@GROUPED
@pytest.mark.parametrize("theirs", KINDS)
def test_encodes_as_the_authors_do(theirs: str, grouped: bool) -> None:
    c1 = oracle("c1_srma_layerdrop")
    model = build_srma(weights(c1, theirs), extra_layers=3, extra_layer_kind=KINDS[theirs])
    model.group_by_length = grouped
    rows = Rows(*from_left_padded(c1["input_ids"]), wanted="columns")
    close: dict[str, Any] = {"rtol": 1e-6, "atol": 1e-6}
    torch.testing.assert_close(model.encode(rows)[0].view(5, 6, 8), c1[f"{theirs}::encoder_eval_out"], **close)
    for dropped in range(3):
        (hidden,) = model.encode(rows, kept=torch.arange(3)[None] != dropped)
        torch.testing.assert_close(hidden.view(5, 6, 8), c1[f"{theirs}::encoder_train_drop{dropped}_out"], **close)
    model.options = model.options.model_copy(update={"extra_layers_at_inference": False})
    torch.testing.assert_close(model.encode(rows)[0].view(5, 6, 8), c1[f"{theirs}::encoder_noaug_out"], **close)


@GROUPED
@pytest.mark.parametrize("dropped", [0, 1])
@pytest.mark.parametrize(("weight", "tag"), [(None, "same"), (0.1, "encoder_w0.1"), (0.5, "encoder_w0.5")])
def test_contrastive_losses_are_the_authors(weight: float | None, tag: str, dropped: int, grouped: bool) -> None:
    c2 = oracle("c2_srma_losses")
    complement = {"complement": "a run", "complement_form": "loss", "complement_weight": weight} if weight else {}
    model = build_srma(weights(c2, "model"), contrastive_weight=1.0, **complement)
    if weight:
        model.complement_with(build_srma(weights(c2, "pre")))
    model.group_by_length = grouped
    views = [Rows(*from_left_padded(c2[name])) for name in ("view1", "view2")]
    model.draw_views = lambda rows: views
    model._draw_kept = lambda: (torch.arange(2) != dropped).repeat(3, 1)
    item_seq, seq_len = from_left_padded(c2["original"])
    loss = model.losses(Batch(item_seq, seq_len, torch.ones(5, dtype=torch.long)))["contrastive"]
    torch.testing.assert_close(loss, c2[f"drop{dropped}::cl_{tag}"], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("mode", ["distinct", "same"])
def test_views_drop_their_own_layers_or_the_same_ones(mode: str) -> None:
    """Without any other augmentation, views are equal, to rounding, if and only if their layers are."""
    model = build_model("SRMA", operators=[], layer_drop_mode=mode, extra_layers=3, dropped_layers=2)
    pairs = compared(model)
    for _ in range(40):
        model.losses(a_batch())
    seen = [torch.allclose(pair.z_a, pair.z_b, rtol=0, atol=1e-6) for pair in pairs]
    assert all(seen) if mode == "same" else 3 < sum(seen) < 30  # by chance one time in three


@pytest.mark.parametrize("everywhere", [True, False])
def test_the_recommendation_pass_has_extra_layers_or_not(everywhere: bool) -> None:
    """The switches of training and inference are independent; dropping none makes both passes comparable."""
    batch = a_batch()
    model = build_model("SRMA", dropped_layers=0, train_form="prefix", extra_layers_in_training=everywhere)
    model.options = model.options.model_copy(update={"extra_layers_at_inference": not everywhere})
    (at_inference,) = model.encode(batch.supervised)
    model.options = model.options.model_copy(update={"extra_layers_at_inference": everywhere})
    (as_in_training,) = model.encode(batch.supervised)
    in_training, *_ = model._encode_all(batch.supervised, batch.anchors, batch.anchors)
    torch.testing.assert_close(in_training, as_in_training)
    assert not torch.allclose(in_training, at_inference)


@pytest.mark.parametrize("where", ["feed_forward", "all"])
def test_neurons_are_masked_in_views_only(where: str) -> None:
    model = build_model(
        "SRMA", operators=[], layer_drop_mode="same", neuron_masking_prob=0.5, neuron_masking_layers=where
    )
    batch, pairs = a_batch(), compared(model)
    model._draw_kept = lambda: torch.ones(3, 2, dtype=torch.bool)
    first, second = (model._encode_all(batch.supervised, batch.anchors, batch.anchors) for _ in range(2))
    assert torch.equal(first[0], second[0]) and not torch.equal(first[1], second[1])
    model.losses(batch)
    model.eval().losses(batch)
    assert [torch.equal(pair.z_a, pair.z_b) for pair in pairs] == [False, True]
    dropouts = {name: part for name, part in model.encoder.named_modules() if isinstance(part, Dropout)}
    assert all(part.p == 0 for part in dropouts.values())
    with model._neuron_masking():
        masked = {name for name, part in dropouts.items() if part.p == 0.5}
    neurons = {name for name in dropouts if not name.endswith("attention.dropout")}
    assert "trunk.layers.0.attention.dropout" in dropouts.keys() - neurons
    assert masked == ({it for it in neurons if it.endswith("output_dropout")} if where == "feed_forward" else neurons)


@pytest.mark.parametrize("encoder", ["transformer", "query_norm", "ligr"])
def test_masking_neurons_leaves_attention_weights_to_their_own_dropout(encoder: str) -> None:
    rates: dict[str, Any] = {"hidden_dropout_prob": 0.2, "attn_dropout_prob": 0.1, "neuron_masking_prob": 0.5}
    model = build_model("SRMA", encoder=encoder, dropped_layers=0, neuron_masking_layers="all", **rates)

    def now() -> dict[str, float]:
        return {name: part.p for name, part in model.encoder.named_modules() if isinstance(part, Dropout)}

    before = now()
    assert {before[name] for name in before if name.endswith("attention.dropout")} == {0.1}
    with model._neuron_masking():
        assert now() == {name: 0.1 if name.endswith("attention.dropout") else 0.5 for name in before}
    assert now() == before


@pytest.mark.parametrize("contrastive_weight", [0.1, 0])
@pytest.mark.parametrize("where", ["feed_forward", "all"])
def test_neurons_are_masked_in_every_pass(where: str, contrastive_weight: float) -> None:
    settings: dict[str, Any] = {
        "neuron_masking_prob": 0.5,
        "neuron_masking_layers": where,
        "neuron_masking_passes": "all",
    }
    settings |= {"dropped_layers": 0, "contrastive_weight": contrastive_weight, "recommendation_loss": "ce"}
    model = build_model("SRMA", **settings)
    first, second = (model.losses(a_batch())["recommendation"] for _ in range(2))
    assert first != second
    parts = model.encoder.named_modules()
    for name, part in parts:
        if isinstance(part, Dropout):
            kind = "attention" if name.endswith("attention.dropout") else name.split(".")[-1]
            assert part.p == {"output_dropout": 0.5, "attention": 0}.get(kind, 0.5 if where == "all" else 0)
    first, second = (model.eval().losses(a_batch())["recommendation"] for _ in range(2))
    assert first == second


def test_a_probability_like_the_encoders_own_changes_nothing() -> None:
    batch, losses = a_batch(), []
    for p in (None, 0.3):
        model = build_model("SRMA", hidden_dropout_prob=0.3, neuron_masking_prob=p)
        losses.append(model.losses(batch))
    for name in ("recommendation", "contrastive"):
        assert torch.equal(losses[0][name], losses[1][name])


@pytest.mark.parametrize("pooling", ["concat", "last", "mean"])
def test_no_operators_no_data_augmentation(pooling: str) -> None:
    """Both sides of the contrast are the rows as they are, pooled; and batches are never written to."""
    model, batch = build_model("SRMA", operators=[], pooling=pooling, extra_layers=0, dropped_layers=0), a_batch()
    before = batch.item_seq.clone()
    pairs = compared(model)
    model.losses(batch)
    rows = rows_to_pool(Rows(batch.item_seq, batch.seq_len), pooling)
    for side in (pairs[0].z_a, pairs[0].z_b):
        torch.testing.assert_close(side, pool(model.encode(rows)[0], rows, pooling))
    assert len(pairs) == 1 and torch.equal(batch.item_seq, before)


def test_without_weight_or_layers_it_is_sasrec_to_the_last_bit() -> None:
    """Nothing is drawn for views, so that even the dropout is the same."""
    settings: dict[str, Any] = {"train_form": "prefix", "recommendation_loss": "ce", "right_aligned": True}
    settings["hidden_dropout_prob"] = 0.5
    model = build_model("SRMA", **settings, contrastive_weight=0, extra_layers=0, dropped_layers=0).train()
    sasrec = build_model("SASRec", **settings).train()
    for _ in range(2):
        terms, plain = model.losses(a_batch()), sasrec.losses(a_batch())
        assert set(terms) == {"recommendation"} and torch.equal(terms["recommendation"], plain["recommendation"])


def test_without_weight_the_recommendation_pass_still_drops_its_own_layers() -> None:
    model, losses = build_model("SRMA", contrastive_weight=0, recommendation_loss="ce"), []
    kept = torch.tensor([[True, False], [False, True], [False, True]])
    for draw in (kept, ~kept, kept[[0, 0, 0]]):
        model._draw_kept = lambda draw=draw: draw
        losses.append(model.losses(a_batch())["recommendation"].item())
    assert losses[0] == losses[2] != losses[1]


def test_every_operator_has_its_own_ratio_and_span() -> None:
    """On rows of ten items, of which each ratio changes another number."""
    model = build_model("SRMA", crop_ratio=0.3, mask_ratio=0.5, reorder_ratio=0.4)
    item_seq, seq_len = torch.arange(1, 11).repeat(400, 1), torch.full((400,), 10)
    before = item_seq.clone()
    operators = model.views.bound()
    views = {name: operator(item_seq, seq_len, model.generator) for name, operator in operators.items()}
    assert set(views) == {"crop", "mask", "reorder"}
    assert (views["crop"].seq_len == 3).all() and views["crop"].item_seq.max() == 9  # the last item is in none
    assert ((views["mask"].item_seq == 0).sum(1) == 5).all()
    moved = views["reorder"].item_seq != item_seq
    assert not moved[:, 9].any()
    spread = torch.where(moved, torch.arange(10), 0).amax(1) - torch.where(moved, torch.arange(10), 9).amin(1)
    assert spread.max() == 3
    assert torch.equal(item_seq, before)


def test_masked_items_are_holes() -> None:
    model = build_model("SRMA", operators=["mask"], pooling="mean")
    pairs = compared(model)
    model.losses(a_batch())
    assert pairs[0].rows_b.holes


@pytest.mark.parametrize("kind", list(KINDS.values()))
def test_extra_layers_of_any_kind_stand_behind_a_gru(kind: str) -> None:
    rows, outputs = a_batch().supervised, {}
    kept = torch.tensor([[True, True], [False, True], [False, False]])
    for grouped in (True, False):
        model = build_model("SRMA", encoder="gru", extra_layer_kind=kind)
        model.group_by_length = grouped
        outputs[grouped] = model.encode(rows, rows, rows, kept=kept)
        torch.testing.assert_close(outputs[grouped], outputs[True])
    whole, second_alone, none = outputs[True]
    assert not torch.allclose(whole, second_alone) and not torch.allclose(second_alone, none)
    gru = build_model("SRMA", encoder="gru", extra_layers=0, dropped_layers=0)
    gru.encoder.trunk.load_state_dict(model.encoder.trunk.state_dict())
    gru.item_embedding.load_state_dict(model.item_embedding.state_dict())
    torch.testing.assert_close(gru.encode(rows)[0], none)


@pytest.mark.parametrize("mode", ["distinct", "same"])
def test_the_recommendation_pass_drops_layers_of_its_own(mode: str) -> None:
    model = build_model("SRMA", layer_drop_mode=mode, extra_layers=3, dropped_layers=1)
    draws = torch.stack([model._draw_kept() for _ in range(60)])  # [60, 3, K]
    assert (draws.sum(2) == 2).all()
    differ = (draws[:, 0] != draws[:, 1]).any(1).sum()
    assert 25 < differ < 55  # by chance two times in three
    model.options = model.options.model_copy(update={"extra_layers_in_training": False})
    assert not model._draw_kept()[0].any()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"dropped_layers": 2}, ["dropped_layers = 2", "extra_layers = 2"]),
        ({"extra_layers": 0}, ["dropped_layers = 1", "extra_layers = 0"]),
        ({"extra_layers": -1}, ["extra_layers = -1", "expected"]),
        ({"right_aligned": False}, ["right_aligned"]),
        ({"contrastive_weight": 0, "complement": "gru"}, ["complement = gru", "weight of 0"]),
        (
            {"contrastive_weight": 0, "extra_layers_in_training": False},
            ["extra_layers_in_training = False", "extra_layers_at_inference to False"],
        ),
        ({"contrastive_weight": 0, "neuron_masking_prob": 0.5}, ["neuron_masking_prob = 0.5", "passes to all"]),
        (
            {"encoder": "gru", "extra_layers": 0, "dropped_layers": 0, "neuron_masking_prob": 0.5},
            ["neuron_masking_layers"],
        ),
    ],
)
def test_what_does_not_fit_together_is_refused(settings: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(UsageError) as error:
        build_model("SRMA", **settings)
    assert all(word in str(error.value) for word in words)


@pytest.mark.parametrize(
    ("settings", "warned"),
    [
        ({}, False),
        ({"extra_layers_at_inference": False}, True),
        ({"extra_layers_at_inference": False, "extra_layers_in_training": False}, False),
        ({"extra_layers_at_inference": False, "extra_layers": 0, "dropped_layers": 0}, False),
    ],
)
def test_scores_without_the_layers_that_are_trained_bring_a_warning(
    settings: dict[str, Any], warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    build_model("SRMA", **settings)
    assert ("set extra_layers_in_training to False" in caplog.text) is warned
