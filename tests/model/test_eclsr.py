"""ECL-SR: the authors' numbers, what reaches the encoder, freezing and pre-training, variants, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from recbole_cl import run
from recbole_cl.batch import Batch, Prefixes, Rows
from recbole_cl.errors import UsageError
from recbole_cl.loss.invariance import invariance_loss
from recbole_cl.model.ecl.alterations import ALTERATIONS
from recbole_cl.model.ecl.discriminator import CONDITIONS
from recbole_cl.testing.toy import TINY, write_cycle
from recbole_cl.trainer.trainer import Trainer
from tests.model.build import build_model, from_left_padded, losses_and_gradients, transformer_state
from tests.oracles.load import oracle
from tests.trainer.parts import Parts, assemble

THEIR_CONDITIONS = {"addall": "add_all", "cat": "concat", "add": "add_last"}
TERMS = ("recommendation", "contrastive", "replaced_item", "generator")
CLOSE: dict[str, Any] = {"rtol": 1e-6, "atol": 1e-6}


D2 = oracle("d2_ecl_model_eval")
TAGS = [key.split("::")[0] for key in D2 if key.endswith("gen_weighted")]


def oracle_model(tag: str, **settings: Any) -> Any:
    """The model that a tag means, with the authors' weights; their last position serves a condition of no tag."""
    condition, bidirectional, form, share = tag.split("_")
    own = {
        "condition": THEIR_CONDITIONS[condition],
        "bidirectional_discriminator": bidirectional == "bi1",
        "train_form": "sequence" if form == "augy" else "prefix",
        "share_parameters": {"all": "all", "emb": "embeddings"}[share],
        "window_size": 3,
        "hidden_size": 8,
    }
    model = build_model("ECLSR", 13, 6, **(own | settings)).eval()
    given = {key.split("::w::")[1]: value for key, value in D2.items() if key.startswith(f"{share}::w::")}
    state = {
        "item_embedding.weight": given["item_embedding.weight"],
        "discriminator.head.weight": given["discriminator_linear.weight"],
    }
    parts = {
        "encoder.": "encoder.",
        "generator.": "item_generator.encoder.",
        "discriminator.": "discriminator_encoder.",
    }
    for theirs, ours in parts.items():
        part = transformer_state(given, theirs)
        part["position_embedding.weight"] = part["position_embedding.weight"][:6]
        if ours != "discriminator_encoder." or share == "emb":
            state |= {ours + name: value for name, value in part.items()}
    if condition == "cat":
        state["discriminator.join.weight"] = given["discriminator_transform.weight"]
    model.load_state_dict(state)
    return model


def oracle_batch(tag: str) -> Batch:
    item_seq, seq_len = from_left_padded(D2["item_seq"])
    assert torch.equal(seq_len, D2["item_len"])
    target, column = D2["pos_items"], torch.arange(6)
    last = column == seq_len[:, None] - 1
    next_items = torch.where(last, target[:, None], item_seq.roll(-1, 1)) * (column < seq_len[:, None])
    return Batch(item_seq, seq_len, target, next_items=next_items if "augy" in tag else None)


def fill_in_as_the_authors(model: Any) -> tuple[Rows, Tensor | None]:
    """Rows with the given masks filled in; one has more than the authors fill, who leave the oldest there."""
    original = Rows(*from_left_padded(D2["item_seq"]))
    masked = from_left_padded(D2["masked_seq"])[0] == model.mask_id
    left = torch.zeros_like(masked)
    left[4, 2] = True
    assert masked[4, 2:5].all()
    seen = Rows(original.item_seq.masked_fill(left, model.mask_id), original.seq_len)
    altered, loss = model.fill_in(seen, masked & ~left)
    return altered, loss


@pytest.mark.parametrize("grouped", [True, False])
@pytest.mark.parametrize("tag", TAGS)
def test_losses_are_the_authors(tag: str, grouped: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """With padding counted as theirs: a target wherever there are targets, and in the window of the shortest row."""
    model = oracle_model(tag, count_padding_states=True, count_padding_targets="augy" in tag)
    model.group_by_length = grouped
    monkeypatch.setattr(model, "_alter", lambda original: fill_in_as_the_authors(model))
    terms = model.losses(oracle_batch(tag))
    expected = D2[f"{tag}::losses_rec_con_rid_gen_weighted"]
    torch.testing.assert_close(torch.stack([terms[name] for name in TERMS]), expected, **CLOSE)


@pytest.mark.parametrize("tag", TAGS)
def test_judgements_are_the_authors(tag: str) -> None:
    model, batch = oracle_model(tag), oracle_batch(tag)
    altered, _ = fill_in_as_the_authors(model)
    (states,) = model.encode(Rows(batch.item_seq, batch.seq_len, wanted="items"))
    logits, replaced = model.judge(states, Rows(batch.item_seq, batch.seq_len), altered)
    real = D2["item_seq"].flatten() > 0
    torch.testing.assert_close(logits.sigmoid(), D2[f"{tag}::replace_prob"][real], **CLOSE)
    if tag == TAGS[0]:
        assert torch.equal(altered.item_seq, from_left_padded(D2["generated_seq"])[0])
        assert torch.equal(replaced, D2["labels_replaced"][real] == 1)


def test_states_and_scores_are_the_authors() -> None:
    model, batch = oracle_model(TAGS[0]), oracle_batch(TAGS[0])
    (columns,) = model.encode(Rows(batch.item_seq, batch.seq_len, wanted="columns"))
    torch.testing.assert_close(columns.view(5, 6, 8), D2["encode_output"], **CLOSE)
    hidden = model(batch.item_seq, batch.seq_len)
    torch.testing.assert_close(model.score_items(hidden, 0, 13), D2["scores_full_sort"], **CLOSE)


def test_padding_is_no_target_and_in_no_window_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    tag = "addall_bi0_augy_all"
    model, batch = oracle_model(tag), oracle_batch(tag)
    monkeypatch.setattr(model, "_alter", lambda original: fill_in_as_the_authors(model))
    terms = model.losses(batch)
    real = [row[6 - n :] for row, n in zip(D2["encode_output"], batch.seq_len.tolist(), strict=True)]
    logits = torch.cat(real) @ model.item_table.T
    expected = torch.nn.functional.cross_entropy(logits, batch.supervised_target)
    assert expected > 1.1 * D2[f"{tag}::losses_rec_con_rid_gen_weighted"][0]
    torch.testing.assert_close(terms["recommendation"], expected, **CLOSE)
    z = torch.stack([row[-3:].mean(0) for row in real])
    torch.testing.assert_close(terms["contrastive"], 0.3 * invariance_loss(z, z, 0.05), **CLOSE)
    assert abs(terms["contrastive"] - D2[f"{tag}::losses_rec_con_rid_gen_weighted"][1]) > 1e-6


@pytest.mark.parametrize(("depth", "theirs"), [(1, 1_399_489), (2, 1_499_457)])
def test_number_of_parameters(depth: int, theirs: int) -> None:
    """The authors' on Yelp, less what their code makes and never uses."""
    sizes = {"hidden_size": 64, "inner_size": 256, "n_layers": depth, "generator_n_layers": depth}
    model = build_model("ECLSR", 20_068, 50, condition="concat", **sizes)
    second_head, positions_beyond_a_row = 64 + 1, 2 * 64
    assert sum(p.numel() for p in model.parameters()) == theirs - second_head - positions_beyond_a_row
    by_default = build_model("ECLSR", 20_068, 50, **sizes)
    linear_layer_of_concat = 2 * 64 * 64
    assert sum(p.numel() for p in model.parameters()) - linear_layer_of_concat == sum(
        p.numel() for p in by_default.parameters()
    )


def batch_of(form: str, n_rows: int = 40, width: int = 10, n_anchors: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(4)
    seq_len = torch.randint(1, width + 1, (n_rows,), generator=generator)
    items = torch.rand(n_rows, 29, generator=generator).argsort(1)[:, : width + 1] + 1
    column = torch.arange(width)
    real = column < seq_len[:, None]
    target = items.gather(1, seq_len[:, None]).squeeze(1)
    if form == "prefix":
        return Batch(items[:, :width] * real, seq_len, target)
    draw = torch.rand(n_rows, n_anchors, generator=generator)
    anchors = 1 + (draw * seq_len[:, None]).long() if n_anchors else seq_len[:, None]
    prefixes = Prefixes(torch.arange(anchors.numel()) // anchors.shape[1], anchors.flatten())
    return Batch(items[:, :width] * real, seq_len, target, items[:, 1:] * real, prefixes)


VARIANTS = [
    *({"condition": condition, "bidirectional_discriminator": True} for condition in CONDITIONS),
    *({"condition": condition, "share_parameters": "embeddings"} for condition in CONDITIONS),
    *({"invasive_augmentation": how} for how in ALTERATIONS),
    {"invasive_augmentation": "insert", "insert_from": "other_rows"},
    *({"invasive_augmentation": how, "condition": "concat", "right_aligned": False} for how in ALTERATIONS),
    *({"mild_augmentation": how, "symmetric_contrast": True} for how in ("dropout", "norm", "perturb")),
    *({"altered_views": role, "replaced_item_weight": 0.0} for role in ("positive", "negative")),
    *({"altered_views": role, "invasive_augmentation": "insert"} for role in ("positive", "negative")),
    {"generation": "sample", "mask_strategy": "prob"},
    {"contrastive_weight": 0.0},
    {"replaced_item_weight": 0.0},
    {"replaced_item_weight": 0.0, "contrastive_weight": 0.0},
    {"generator_n_layers": 1, "right_aligned": False},
    {"count_padding_states": True},
]


def describe(settings: dict[str, Any]) -> str:
    return " ".join(f"{key}={value}" for key, value in settings.items())


@pytest.mark.parametrize("form", ["prefix", "sequence"])
@pytest.mark.parametrize("settings", VARIANTS, ids=describe)
def test_every_variant_trains_all_its_parameters_however_rows_are_grouped(settings: dict[str, Any], form: str) -> None:
    model = build_model("ECLSR", **settings, train_form=form)
    batch = batch_of(form, n_anchors=2)
    results = [losses_and_gradients(model, lambda: model.losses(batch), grouped) for grouped in (True, False)]
    for a, b in zip(*results, strict=True):
        assert torch.isfinite(a).all()
        torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-8)
    assert all(p.grad.any() for name, p in model.named_parameters() if "bias" not in name)
    expected = {"recommendation"}
    expected |= {"contrastive"} if model.options.contrastive_weight else set()
    expected |= {"replaced_item"} if model.options.replaced_item_weight else set()
    expected |= {"generator"} if model.item_generator is not None else set()
    terms = model.losses(batch)
    assert set(terms) == expected and next(iter(terms)) == "recommendation"


def test_what_has_no_weight_is_not_built() -> None:
    off: dict[str, Any] = {"replaced_item_weight": 0.0, "contrastive_weight": 0.0}
    sasrec = {name for name, _ in build_model("SASRec").named_parameters()}
    assert {name for name, _ in build_model("ECLSR", **off).named_parameters()} == sasrec
    assert build_model("ECLSR", **off).item_embedding.num_embeddings == 30  # no mask token either
    assert build_model("ECLSR", invasive_augmentation="delete").item_generator is None


def encoded(model: Any, batch: Batch) -> list[tuple[Rows, ...]]:
    """What each pass of one step encodes."""
    seen, encode = [], model.encode

    def noted(*rows: Rows) -> Any:
        seen.append(rows)
        return encode(*rows)

    model.encode = noted
    model.losses(batch)
    return seen


def test_one_pass_encodes_no_more_than_the_terms_need() -> None:
    cases: list[tuple[dict[str, Any], int]] = [
        ({}, 2),
        ({"mild_augmentation": "perturb"}, 1),
        ({"contrastive_weight": 0.0}, 1),
        ({"altered_views": "negative"}, 3),
    ]
    for settings, expected in cases:
        model = build_model("ECLSR", **settings)
        assert [len(rows) for rows in encoded(model, batch_of("sequence"))] == [expected]


@pytest.mark.parametrize("role", ["none", "positive", "negative"])
@pytest.mark.parametrize("n_anchors", [0, 2])
def test_contrast_is_what_it_says(n_anchors: int, role: str) -> None:
    settings: dict[str, Any] = {"contrastive_weight": 1.0, "replaced_item_weight": 0.0, "altered_views": role}
    model = build_model("ECLSR", invasive_augmentation="delete", window_size=3, **settings)
    batch = batch_of("sequence", n_anchors=n_anchors)
    assert batch.anchor_prefixes is not None
    model.generator.manual_seed(0)
    loss = model.losses(batch)["contrastive"]
    model.generator.manual_seed(0)
    altered = model._alter(Rows(batch.item_seq, batch.seq_len))[0] if role != "none" else None

    def means(view: Rows, ends: list[list[int]]) -> Tensor:
        (hidden,) = model.encode(view._replace(wanted="items"))
        rows = hidden.split(view.seq_len.tolist())
        return torch.stack([row[max(0, e - 3) : e].mean(0) for row, own in zip(rows, ends, strict=True) for e in own])

    ends = batch.anchor_prefixes.length.view(len(batch.seq_len), -1).tolist()
    z = means(Rows(batch.item_seq, batch.seq_len), ends)
    expected = invariance_loss(z, z, 0.05)
    if altered is not None:
        gone = (batch.seq_len - altered.seq_len).tolist()
        assert max(gone) > 0
        moved = means(altered, [[max(1, end - n) for end in own] for own, n in zip(ends, gone, strict=True)])
        if role == "negative":
            expected = invariance_loss(z, z, 0.05, moved)
        else:
            expected = (expected + invariance_loss(z, moved, 0.05)) / 2
    torch.testing.assert_close(loss, expected)


def gradient_norm(model: Any, states: Tensor, batch: Batch, altered: Rows) -> float:
    """How much the encoder's blocks learn from the judgements of altered rows."""
    model.zero_grad()
    logits, _ = model.judge(states, Rows(batch.item_seq, batch.seq_len), altered)
    logits.square().sum().backward()
    return sum(float(p.grad.norm()) for p in model.encoder.layers.parameters() if p.grad is not None)


@pytest.mark.parametrize("condition", CONDITIONS)
def test_gradient_reaches_the_encoder_through_the_condition_and_through_shared_weights(condition: str) -> None:
    batch = batch_of("sequence")
    norms = {}
    for share in ("all", "embeddings"):
        model = build_model("ECLSR", condition=condition, share_parameters=share)
        altered, _ = model._alter(Rows(batch.item_seq, batch.seq_len))
        (states,) = model.encode(Rows(batch.item_seq, batch.seq_len, wanted="items"))
        norms[share, "condition cut off"] = gradient_norm(model, states.detach(), batch, altered)
        norms[share, "whole"] = gradient_norm(model, states, batch, altered)
    assert norms["embeddings", "condition cut off"] == 0 < norms["embeddings", "whole"]
    assert norms["all", "condition cut off"] > 0 < norms["all", "whole"]


@pytest.mark.parametrize("strategy", ["sample", "prob"])
@pytest.mark.parametrize("generation", ["argmax", "sample"])
def test_the_discriminator_sees_neither_masks_nor_padding(generation: str, strategy: str) -> None:
    model = build_model("ECLSR", generation=generation, mask_strategy=strategy, mask_ratio=0.7)
    model.item_embedding.weight.data[[0, model.mask_id]] *= 1000
    batch = batch_of("sequence", n_rows=500)
    altered, _ = model._alter(Rows(batch.item_seq, batch.seq_len))
    real = batch.item_seq > 0
    items = altered.item_seq[real]
    assert torch.equal(altered.item_seq > 0, real) and int(items.max()) < model.n_items
    full = batch.seq_len == batch.item_seq.shape[1]
    spared = full if strategy == "prob" else torch.ones_like(full)
    assert torch.equal(altered.item_seq[spared, 0], batch.item_seq[spared, 0])
    assert (altered.item_seq[:, 1:] != batch.item_seq[:, 1:]).any()


@pytest.mark.parametrize("strategy", ["sample", "prob"])
def test_rows_of_one_item_train(strategy: str) -> None:
    """By ``prob``, as by the authors', their item is masked."""
    model = build_model("ECLSR", train_form="prefix", mask_strategy=strategy)
    batch = Batch(torch.tensor([[3, 0, 0]]), torch.tensor([1]), torch.tensor([4]))
    terms = model.losses(batch)
    assert (terms["generator"].item() > 0) == (strategy == "prob")
    assert all(torch.isfinite(term) for term in terms.values())


def weights_after(tmp_path: Path, epochs: int, **settings: Any) -> dict[str, Tensor]:
    folder = tmp_path / f"{epochs}-{len(list(tmp_path.iterdir()))}"
    result = run("ECLSR", "cycle", **TINY, **write_cycle(folder), epochs=epochs, **settings)
    state: dict[str, Tensor] = torch.load(result.run_dir / "last.pth", weights_only=True)["state_dict"]
    return state


def test_a_frozen_generator_does_not_move_and_the_rest_does(tmp_path: Path) -> None:
    two, four = (weights_after(tmp_path, epochs, freeze_generator_epoch=2) for epochs in (2, 4))
    one = weights_after(tmp_path, 1, freeze_generator_epoch=2)
    generator = [name for name in two if name.startswith("item_generator.")]
    assert generator and all(torch.equal(two[name], four[name]) for name in generator)
    assert not all(torch.equal(one[name], two[name]) for name in generator)
    assert all(not torch.equal(two[name], four[name]) for name in two if name not in generator)


def test_a_run_resumed_among_frozen_epochs_equals_an_unbroken_one(tmp_path: Path) -> None:
    settings = TINY | write_cycle(tmp_path) | {"freeze_generator_epoch": 1}
    whole = run("ECLSR", "cycle", **settings, epochs=4)
    half = run("ECLSR", "cycle", **settings, epochs=2)
    resumed = run("ECLSR", "cycle", **settings, epochs=4, resume=str(half.run_dir))
    states = [torch.load(result.run_dir / "last.pth", weights_only=True)["state_dict"] for result in (whole, resumed)]
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())


def build_falling(folder: Path, epochs: int, **settings: Any) -> Parts:
    """A training in a folder, with validation scores that rise up to epoch 1 and fall from there."""
    parts = assemble(folder, "ECLSR", epochs=epochs, stopping_step=1, **settings)
    trainer, validate = parts.trainer, parts.trainer._valid_epoch

    def scored(*args: Any, **kwargs: Any) -> tuple[float, dict[str, float]]:
        epoch = trainer.start_epoch + trainer.epochs_run - 1
        return (epoch if epoch <= 1 else -epoch) / 100, validate(*args, **kwargs)[1]

    trainer._valid_epoch = scored  # type: ignore[method-assign]
    return parts


def epochs_of(trainer: Trainer) -> int:
    return trainer.start_epoch + trainer.epochs_run


def stored(folder: Path, name: str) -> dict[str, Tensor]:
    return dict(torch.load(folder / name, weights_only=True)["state_dict"])


def test_the_second_stage_starts_from_the_best_weights_without_generator_and_discriminator(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    trainer, loader, valid = build_falling(tmp_path, 20, finetune_after_stop=True)
    begun: dict[str, Tensor] = {}
    model: Any = trainer.model
    start = model.start_next_stage

    def noted() -> None:
        begun.update({key: value.clone() for key, value in model.state_dict().items()})
        start()

    model.start_next_stage = noted
    trainer.fit(loader, valid)
    assert trainer.best_epoch == 1 and epochs_of(trainer) == 6  # stopped after epoch 3, and again after epoch 5
    terms = [message for message in caplog.messages if "training" in message and "total" in message]
    assert ["replaced_item" in line and "generator" in line for line in terms] == [True] * 4 + [False] * 2
    assert all("contrastive" in line for line in terms)
    best, last = stored(tmp_path, "best.pth"), stored(tmp_path, "last.pth")
    assert all(torch.equal(value, begun[name]) for name, value in best.items())
    changed = {name for name, value in last.items() if not torch.equal(value, best[name])}
    assert "item_embedding.weight" in changed and not any(name.startswith("item_generator.") for name in changed)
    (tmp_path / "once").mkdir()
    once, loader, valid = build_falling(tmp_path / "once", 20)
    once.fit(loader, valid)
    assert epochs_of(once) == 4
    assert all(torch.equal(value, best[name]) for name, value in stored(tmp_path / "once", "best.pth").items())


@pytest.mark.parametrize("epochs", [3, 4, 5])
def test_a_run_resumes_before_at_and_in_its_second_stage(epochs: int, tmp_path: Path) -> None:
    for name in ("whole", "half"):
        (tmp_path / name).mkdir()
        trainer, loader, valid = build_falling(
            tmp_path / name, 20 if name == "whole" else epochs, finetune_after_stop=True
        )
        trainer.fit(loader, valid)
        assert epochs_of(trainer) == (6 if name == "whole" else epochs)
    trainer, loader, valid = build_falling(tmp_path / "half", 20, finetune_after_stop=True)
    trainer.resume(loader)
    trainer.fit(loader, valid)
    assert epochs_of(trainer) == 6
    whole, resumed = (stored(tmp_path / name, "last.pth") for name in ("whole", "half"))
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())


def test_pretraining_moves_the_generator_alone() -> None:
    model = build_model("ECLSR", generator_pretraining_epochs=2, freeze_generator_epoch=2)
    moved = []
    for epoch in range(3):
        model.start_epoch(epoch)
        model.zero_grad()
        sum(model.losses(batch_of("sequence")).values()).backward()
        parts = (model.encoder.layers[0].inner.weight, model.item_generator.encoder.layers[0].inner.weight)
        moved.append([part.grad is not None and bool(part.grad.abs().sum() > 0) for part in parts])
    assert moved == [[False, True], [False, True], [True, False]]


def test_the_generators_accuracy_is_recorded_epoch_by_epoch() -> None:
    model = build_model("ECLSR")
    batch = batch_of("sequence")
    masked = batch.item_seq > 0
    for epoch in range(2):
        model.start_epoch(epoch)
        altered, _ = model.fill_in(Rows(batch.item_seq, batch.seq_len), masked)
        recovered = (altered.item_seq == batch.item_seq)[masked]
        assert model.end_epoch(epoch) == {"generator_accuracy": pytest.approx(recovered.double().mean().item())}
    assert build_model("ECLSR", replaced_item_weight=0.0).end_epoch(0) == {}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"contrastive_weight": 0.0, "altered_views": "positive"}, "altered_views = positive: .* contrastive_weight"),
        ({"count_padding_targets": True, "train_form": "prefix"}, "set train_form to sequence"),
        ({"count_padding_targets": True, "recommendation_loss": "bce"}, "set recommendation_loss to chunked_ce"),
        ({"invasive_augmentation": "insert", "n_items": 10}, "a row of 10 may leave none of 9 items to draw"),
        ({"generator_pretraining_epochs": 3, "freeze_generator_epoch": 2}, "freeze_generator_epoch ~ or at least 3"),
        ({"generator_pretraining_epochs": 3, "generator_weight": 0.0}, "generator_weight above 0"),
        ({"generator_pretraining_epochs": 3, "invasive_augmentation": "crop"}, "masked_substitution"),
        ({"generator_pretraining_epochs": 3, "epochs": 3}, "expected fewer than epochs = 3"),
        (
            {"generator_pretraining_epochs": 3, "epochs": 5, "eval_step": 3},
            "none after it is validated with eval_step = 3",
        ),
        ({"count_padding_states": True, "right_aligned": False}, "set right_aligned to True"),
        ({"count_padding_states": True, "contrastive_weight": 0.0}, "no window is compared"),
        ({"encoder": "gru"}, "ECLSR needs attention"),
    ],
)
def test_what_does_not_fit_is_refused(settings: dict[str, Any], expected: str) -> None:
    with pytest.raises(UsageError, match=expected) as caught:
        build_model("ECLSR", **settings)
    assert "\n" not in str(caught.value)


def test_the_last_epoch_is_validated_if_no_other() -> None:
    build_model("ECLSR", generator_pretraining_epochs=3, epochs=5, eval_step=10)
