"""CoSeRec: the authors' numbers, what its views are drawn from, its epochs, and what it refuses."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from recbole.config import Config as RecBoleConfig
from recbole.data import create_dataset, data_preparation

from recbole_cl import run
from recbole_cl.batch import Batch, Rows
from recbole_cl.config.config import Config
from recbole_cl.config.models import model_class
from recbole_cl.data.correlation.memory import input_pairs, memory_top_one
from recbole_cl.errors import UsageError
from recbole_cl.loss.recommendation import bce
from recbole_cl.model.contrast.pooling import pool, rows_to_pool
from recbole_cl.runs.build import build_data, build_loader, build_model
from recbole_cl.testing.toy import TINY, write_cycle
from tests.model.build import build_model as small_model
from tests.model.build import from_left_padded, load_s3rec_weights
from tests.oracles.load import oracle


def oracle_model(**settings: Any) -> Any:
    model = small_model("CoSeRec", 13, 6, hidden_size=8, inner_size=32, **settings).eval()
    b4 = oracle("b4_coserec_sasrec_encoder_eval")
    load_s3rec_weights(model, {key[3:]: value for key, value in b4.items() if key.startswith("w::")})
    return model


@pytest.mark.parametrize("grouped", [True, False])
def test_encodes_padding_as_the_authors_do(grouped: bool) -> None:
    b4 = oracle("b4_coserec_sasrec_encoder_eval")
    model = oracle_model()
    model.group_by_length = grouped
    rows = Rows(*from_left_padded(b4["input_ids"]), wanted="columns")
    (hidden,) = model.encode(rows)
    torch.testing.assert_close(hidden.view(5, 6, 8), b4["output"], rtol=1e-6, atol=1e-6)
    (last,) = model.encode(rows._replace(wanted="last", holes=True))
    torch.testing.assert_close(last, b4["output"][:, -1], rtol=1e-6, atol=1e-6)


def test_losses_are_the_authors() -> None:
    b4, b5 = oracle("b4_coserec_sasrec_encoder_eval"), oracle("b5_coserec_losses_eval")
    model = oracle_model(contrastive_weight=1.0)
    views = [Rows(*from_left_padded(b5[name])) for name in ("view1", "view2")]
    model.draw_views = lambda rows: views
    item_seq, seq_len = from_left_padded(b4["input_ids"])
    next_items, negative = (from_left_padded(b5[name])[0] for name in ("pos", "neg"))
    batch = Batch(item_seq, seq_len, next_items.gather(1, seq_len[:, None] - 1)[:, 0], next_items)
    torch.testing.assert_close(model.losses(batch)["contrastive"], b5["cl_loss"], rtol=1e-6, atol=1e-6)
    (hidden,) = model.encode(batch.supervised._replace(holes=True))  # an input row of the oracle has holes
    # their negatives may be the mask token, which is beyond the table of ours
    loss = bce(hidden, model.item_embedding.weight, batch.supervised_target, negative[next_items > 0])
    torch.testing.assert_close(loss, b5["rec_loss"], rtol=1e-6, atol=1e-6)


def assemble(tmp_path: Path, **settings: Any) -> tuple[Any, Any]:
    config = Config("CoSeRec", "cycle", config_dict=TINY | write_cycle(tmp_path) | settings)
    train = build_data(config)[1][0]
    model = build_model(config, train)
    return model, build_loader(config, model, train)


def test_short_and_long_rows_draw_from_their_own_operators(tmp_path: Path) -> None:
    """Masks, which write padding here, go to short rows alone; crops, which shorten, to long ones alone."""
    only = {"operators": ["mask", "crop"], "short_operators": ["mask"], "short_length": 4, "pooling": "last"}
    model, loader = assemble(tmp_path, **only, mask_ratio=1.0, crop_ratio=0.5)
    batch = model._read(next(iter(loader)))
    before = batch.item_seq.clone()
    short = batch.seq_len <= 4
    drawn = [torch.stack([view.seq_len < batch.seq_len for view in model.draw_views(batch.anchors)]) for _ in range(30)]
    cropped = torch.stack(drawn)  # [draws, 2 views, B]
    assert short.any() and (~short).any()
    assert not cropped[..., short].any()
    assert 0.4 < cropped[..., ~short].float().mean() < 0.6
    assert (cropped[:, 0] != cropped[:, 1])[:, ~short].any()  # each view draws its own
    assert torch.equal(batch.item_seq, before)


def test_distinct_operators_make_one_view_each(tmp_path: Path) -> None:
    pair = {"operators": ["mask", "crop"], "short_length": -1, "pooling": "last", "distinct_operators": True}
    model, loader = assemble(tmp_path, **pair, mask_ratio=1.0, crop_ratio=0.5)
    batch = model._read(next(iter(loader)))
    several = batch.seq_len > 1
    cropped = torch.stack([view.seq_len < batch.seq_len for view in model.draw_views(batch.anchors)])
    assert several.any() and (cropped.sum(0)[several] == 1).all()


def test_every_operator_has_its_own_ratio_and_span(tmp_path: Path) -> None:
    """On rows of ten items, of which each ratio changes another number."""
    counts = {"crop": 3, "mask": 5, "reorder": 4, "substitute": 2, "insert": 6}
    ratios = {f"{name}_ratio": count / 10 for name, count in counts.items()}
    model, _ = assemble(tmp_path, **ratios)
    table = (torch.arange(model.n_items) + 4) % model.n_items  # of each id, none that stands beside it
    model._neighbour = table
    item_seq = torch.arange(1, 11).repeat(400, 1)
    item_seq = torch.cat((item_seq, torch.zeros_like(item_seq)), dim=1)  # [400, 20], room for what is inserted
    seq_len = torch.full((400,), 10)
    views = {name: it(item_seq, seq_len, model.generator) for name, it in model.views.bound(table).items()}
    assert set(views) == set(counts)
    crops, lengths, *_ = views["crop"]
    assert (lengths == counts["crop"]).all() and crops.max() == 9  # the last item is in none
    assert ((views["mask"].item_seq[:, :10] == 0).sum(1) == counts["mask"]).all()
    moved = views["reorder"].item_seq[:, :10] != item_seq[:, :10]
    assert not moved[:, 9].any() and moved[:, 8].any()
    spread = torch.where(moved, torch.arange(10), 0).amax(1) - torch.where(moved, torch.arange(10), 9).amin(1)
    assert spread.max() == counts["reorder"] - 1
    new = views["substitute"].item_seq != item_seq
    assert (new.sum(1) == counts["substitute"]).all()
    assert torch.equal(views["substitute"].item_seq[new], table[item_seq[new]])
    inserted, lengths, *_ = views["insert"]
    assert (lengths == 10 + counts["insert"]).all()
    before = inserted[:, :-1] == table[inserted[:, 1:]]  # each right before the item that it is like
    assert (before & (inserted[:, 1:] != 0)).sum(1).eq(counts["insert"]).all()


def test_views_bring_in_the_items_of_this_epochs_table(tmp_path: Path) -> None:
    only = {"operators": ["substitute"], "short_length": -1, "substitute_ratio": 1.0, "pooling": "last"}
    model, loader = assemble(tmp_path, **only, correlation="model", epochs=3)
    batch = model._read(next(iter(loader)))
    tables = []
    for epoch in range(2):
        torch.nn.init.normal_(model.item_embedding.weight, generator=torch.Generator().manual_seed(epoch))
        model.start_epoch(epoch)
        tables.append(model._neighbour.clone())
        for view in model.draw_views(batch.anchors):
            assert torch.equal(view.item_seq, tables[epoch][batch.item_seq])
    assert not torch.equal(*tables)


@pytest.mark.parametrize("pooling", ["last", "mean"])
def test_nothing_looks_at_masked_items(pooling: str, tmp_path: Path) -> None:
    """A mask that writes padding; a row of which one item is left is like that item alone at its place."""
    only = {"operators": ["mask"], "short_length": -1, "mask_ratio": 0.8, "pooling": pooling}
    model, loader = assemble(tmp_path, **only, hidden_dropout_prob=0.0, attn_dropout_prob=0.0)
    batch = model._read(next(iter(loader)))
    view, _ = model.draw_views(batch.anchors)
    rows = rows_to_pool(view, pooling, model.views.makes_holes)
    assert rows.holes
    table = model.item_embedding.weight.data
    (before,) = model.encode(rows)
    table[0] += 1.0  # what masked items look like
    (after,) = model.encode(rows)
    kept = pool(before, rows, pooling), pool(after, rows, pooling)
    seen = torch.arange(rows.item_seq.size(1)) == rows.seq_len[:, None] - 1
    real = (rows.item_seq * seen).sum(1) > 0 if pooling == "last" else (rows.item_seq > 0).any(1)
    assert real.any()
    torch.testing.assert_close(kept[0][real], kept[1][real])


def test_a_run_resumes_after_the_switch(tmp_path: Path) -> None:
    settings = TINY | write_cycle(tmp_path) | {"switch_epoch": 0}
    whole = run("CoSeRec", "cycle", **settings, epochs=3)
    half = run("CoSeRec", "cycle", **settings, epochs=2)
    assert run("CoSeRec", "cycle", **settings, epochs=3, resume=str(half.run_dir)).test == whole.test


def test_views_are_of_whole_rows_in_both_forms(tmp_path: Path) -> None:
    for form in ("sequence", "prefix"):
        keep = {"operators": ["reorder"], "short_length": -1, "reorder_ratio": 0.0, "pooling": "last"}
        model, loader = assemble(tmp_path / form, train_form=form, **keep)
        batch = model._read(next(iter(loader)))
        for view in model.draw_views(batch.anchors):
            assert torch.equal(view.item_seq, batch.item_seq) and torch.equal(view.seq_len, batch.seq_len)


def test_both_kinds_of_split_give_the_same_correlations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours and plain RecBole's; and no user's last three items are in any pair."""
    settings = TINY | write_cycle(tmp_path)
    config = Config("CoSeRec", "cycle", config_dict=settings)
    whole, (train, _, _) = build_data(config)
    monkeypatch.setattr("sys.argv", ["script.py"])
    plain = {"load_col": {"inter": ["user_id", "item_id", "timestamp"]}, "train_neg_sample_args": None}
    recboles = RecBoleConfig(model=model_class("CoSeRec"), dataset="cycle", config_dict=settings | plain)
    theirs = data_preparation(recboles, create_dataset(recboles))[0].dataset
    pairs = [input_pairs(split) for split in (train, theirs)]
    assert pairs[0] is not None and pairs[1] is not None
    distinct = set(zip(*(ids.tolist() for ids in pairs[0]), strict=True))
    assert len(distinct) == len(whole.user_start) - 3 * (whole.user_num - 1)
    tables = [memory_top_one(*pair, train.item_num) for pair in pairs if pair is not None]
    assert torch.equal(tables[0].item, tables[1].item)
    torch.testing.assert_close(tables[0].score, tables[1].score)


@pytest.mark.parametrize(("kind", "changes"), [("memory", []), ("hybrid", [2, 3]), ("model", [1, 2, 3])])
def test_the_correlation_follows_the_embeddings_from_its_epoch_on(
    kind: str, changes: list[int], tmp_path: Path
) -> None:
    model, _ = assemble(tmp_path, correlation=kind, switch_epoch=1, epochs=9)
    model.start_epoch(0)
    if kind == "hybrid":  # on a circle all memory-based scores are as high as can be
        model._correlation._memory = replace(model._correlation._memory, high=100.0)
    tables = []
    for epoch in range(4):
        torch.nn.init.normal_(model.item_embedding.weight, generator=torch.Generator().manual_seed(epoch))
        model.start_epoch(epoch)
        tables.append(model._neighbour.clone())
    assert [epoch for epoch in range(1, 4) if not torch.equal(tables[epoch], tables[epoch - 1])] == changes
    assert all(int(table[1:].min()) > 0 and int(table.max()) < model.n_items for table in tables)


def test_two_stages_train_one_term_each(tmp_path: Path) -> None:
    result = run("CoSeRec", "cycle", **TINY, **write_cycle(tmp_path), epochs=4, pretrain_epochs=2)
    log = (result.run_dir / "log.txt").read_text(encoding="utf-8")
    terms = [line.split("[")[-1] for line in log.splitlines() if "total" in line]
    assert ["contrastive" in line for line in terms] == [True, True, False, False]
    assert ["recommendation" in line for line in terms] == [False, False, True, True]
    assert result.best_epoch >= 2 and result.epochs_run == 4


def test_a_two_stage_run_resumes_in_its_second_stage(tmp_path: Path) -> None:
    settings = TINY | write_cycle(tmp_path) | {"pretrain_epochs": 2}
    whole = run("CoSeRec", "cycle", **settings, epochs=4)
    half = run("CoSeRec", "cycle", **settings, epochs=3)
    assert run("CoSeRec", "cycle", **settings, epochs=4, resume=str(half.run_dir)).test == whole.test


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"insert_ratio": 1.5}, "insert_ratio = 1.5: expected a number in [0, 1]"),
        ({"operators": []}, "operators = []: expected a list of at least 1"),
        ({"operators": ["crop", "swap"]}, "expected a list of at least 1, each one of crop"),
        ({"short_length": -2}, "short_length = -2"),
        ({"switch_epoch": -2}, "switch_epoch = -2"),
        ({"operators": ["crop"]}, "short_operators: ['insert', 'mask', 'substitute'] are not among operators"),
        ({"operators": ["crop"], "short_length": -1, "distinct_operators": True}, "operators = ['crop'] has no two"),
        ({"short_operators": ["mask"], "distinct_operators": True}, "short_operators = ['mask'] has no two"),
        ({"right_aligned": False}, "pooling = concat"),
        ({"pretrain_epochs": 3, "epochs": 3}, "pretrain_epochs = 3: expected fewer than epochs = 3"),
        ({"pretrain_epochs": 3, "epochs": 5, "eval_step": 3}, "none after it is validated with eval_step = 3"),
        ({"pretrain_epochs": 1, "contrastive_weight": 0}, "pretrain_epochs = 1: they need a contrastive_weight"),
        ({"rounding": {"crop": "up"}}, "rounding.crop = 'up'"),
    ],
)
def test_bad_settings_are_refused_in_one_line(settings: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as refusal:
        assemble(tmp_path, **settings)
    assert message in str(refusal.value) and "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("settings", "epochs"),
    [
        ({"switch_epoch": 4, "epochs": 5}, 5),
        ({"switch_epoch": 3, "epochs": 5}, None),
        ({"switch_epoch": 2, "epochs": 5, "pretrain_epochs": 3}, 3),
        ({"switch_epoch": 1, "epochs": 5, "pretrain_epochs": 3}, None),
        ({"switch_epoch": 9, "epochs": 5, "correlation": "memory"}, None),
        ({"switch_epoch": 9, "epochs": 5, "operators": ["crop"], "short_length": -1}, None),
        ({"switch_epoch": 9, "epochs": 5, "contrastive_weight": 0}, None),
    ],
)
def test_a_switch_that_never_comes_is_warned_of(
    settings: dict[str, Any], epochs: int | None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assemble(tmp_path, **settings)
    message = f"the correlation stays memory-based for all {epochs} epochs that draw views"
    assert (message in caplog.text) if epochs else ("memory-based" not in caplog.text)


def test_fine_tuning_looks_for_no_correlated_items(tmp_path: Path) -> None:
    model, _ = assemble(tmp_path, pretrain_epochs=2, switch_epoch=0, epochs=5)
    asked: list[int] = []
    model.start_epoch(0)
    model._correlation.neighbours = lambda epoch, *_: asked.append(epoch)
    for epoch in range(5):
        model.start_epoch(epoch)
    assert asked == [0, 1]


def test_without_weight_nothing_is_drawn_or_correlated(tmp_path: Path) -> None:
    model, loader = assemble(tmp_path, contrastive_weight=0)
    model.draw_views = None
    model.start_epoch(0)
    assert model._correlation is None and model._neighbour is None
    assert set(model.losses(model._read(next(iter(loader))))) == {"recommendation"}


def test_the_correlation_is_fitted_once_and_not_for_scoring(tmp_path: Path) -> None:
    model, loader = assemble(tmp_path)
    interaction = next(iter(loader))
    model.full_sort_predict(interaction)
    assert model._correlation._memory is None
    fitted: list[Any] = []
    for epoch in range(2):
        model.start_epoch(epoch)
        model.calculate_loss(interaction)
        fitted.append(model._correlation._memory)
    assert fitted[0] is fitted[1] is not None


def test_data_without_correlations_are_refused_before_anything_is_trained(tmp_path: Path) -> None:
    """Every user meets one item again and again, but for the last two."""
    lines = ["user_id:token\titem_id:token\ttimestamp:float"]
    lines += [
        f"u{user}\ti{user if step < 5 else 50 + (user + step) % 9}\t{step}" for user in range(30) for step in range(8)
    ]
    (tmp_path / "lonely").mkdir()
    (tmp_path / "lonely" / "lonely.inter").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for correlation in ("memory", "hybrid"):
        settings = TINY | {"data_path": str(tmp_path), "correlation": correlation}
        config = Config("CoSeRec", "lonely", config_dict=settings)
        with pytest.raises(UsageError, match="no two items share a training user"):
            build_model(config, build_data(config)[1][0])
    config = Config("CoSeRec", "lonely", config_dict=settings | {"correlation": "model"})
    assert build_model(config, build_data(config)[1][0])._correlation is not None


@pytest.mark.parametrize(("fill", "rounding", "masked"), [("token", "ceil", 4), ("padding", "floor", 3)])
def test_masks_write_what_and_as_often_as_the_settings_say(
    fill: str, rounding: str, masked: int, tmp_path: Path
) -> None:
    """0.7 of five items are 3.5."""
    settings = {"operators": ["mask"], "short_length": -1, "mask_fill": fill, "rounding": {"mask": rounding}}
    model, loader = assemble(tmp_path, **settings, pooling="last")
    batch = model._read(next(iter(loader)))
    of_five = batch.seq_len == 5
    assert of_five.any()
    for view in model.draw_views(batch.anchors):
        written = model.mask_id if fill == "token" else 0
        real = torch.arange(view.item_seq.size(1)) < view.seq_len[:, None]
        count = ((view.item_seq == written) & real).sum(1)
        assert (count[of_five] == masked).all()
