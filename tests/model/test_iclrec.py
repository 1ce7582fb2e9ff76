"""ICLRec: the authors' numbers, what is clustered, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from recbole_cl.batch import Batch, Rows
from recbole_cl.config.config import Config
from recbole_cl.errors import UsageError
from recbole_cl.loss.info_nce import info_nce, same_target_mask
from recbole_cl.loss.recommendation import bce
from recbole_cl.runs.build import build_data, build_loader
from recbole_cl.runs.build import build_model as model_of_run
from recbole_cl.testing.toy import TINY, write_cycle
from tests.model.build import build_model, from_left_padded, load_s3rec_weights
from tests.oracles.load import oracle


def oracle_model(**settings: Any) -> Any:
    g4 = oracle("g4_iclrec_model_eval")
    sizes = {"hidden_size": 8, "inner_size": 32, "n_intents": 3}
    model = build_model("ICLRec", 14, 6, **sizes, **settings).eval()  # their mask token is an item of ours
    load_s3rec_weights(model, {key[3:]: value for key, value in g4.items() if key.startswith("w::")})
    model.intents.centroids.copy_(g4["centroids_raw"])
    model.intents.is_fitted.fill_(True)
    views = [Rows(*from_left_padded(g4[name])) for name in ("view1", "view2")]
    model.draw_views = lambda rows: views
    return model


def assemble(tmp_path: Path, **settings: Any) -> tuple[Any, Any]:
    config = Config("ICLRec", "cycle", config_dict=TINY | write_cycle(tmp_path) | settings)
    train, *_ = build_data(config)[1]
    model = model_of_run(config, train)
    return model, build_loader(config, model, train)


def oracle_batch() -> Batch:
    g4 = oracle("g4_iclrec_model_eval")
    item_seq, seq_len = from_left_padded(g4["input_ids"])
    next_items = from_left_padded(g4["target_pos"])[0]
    return Batch(item_seq, seq_len, next_items.gather(1, seq_len[:, None] - 1)[:, 0], next_items)


def test_intents_are_the_authors() -> None:
    g4, model, batch = oracle("g4_iclrec_model_eval"), oracle_model(), oracle_batch()
    query = model._intent_query(batch.anchors)
    torch.testing.assert_close(query, g4["query"], rtol=1e-6, atol=1e-6)
    cluster, centroid = model.intents(query)
    assert torch.equal(cluster, g4["assign"])
    torch.testing.assert_close(centroid, g4["intent"], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("masked", [False, True])
def test_losses_are_the_authors(masked: bool) -> None:
    g4, batch = oracle("g4_iclrec_model_eval"), oracle_batch()
    model = oracle_model(mask_same_intent=masked, instance_weight=1.0, intent_weight=1.0)
    terms = model.losses(batch)
    tag = f"denoise{int(masked)}::"
    torch.testing.assert_close(terms["intent"], g4[f"{tag}intent_loss"], rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(terms["instance"], g4["denoise0::instance_loss"], rtol=1e-6, atol=1e-6)
    terms["intent"].backward()
    gradient = g4[f"{tag}intent_grad_item_embeddings"]
    torch.testing.assert_close(model.item_embedding.weight.grad, gradient, rtol=1e-6, atol=1e-6)


def test_pooled_views_and_recommendation_are_the_authors() -> None:
    g4, batch = oracle("g4_iclrec_model_eval"), oracle_batch()
    model = oracle_model(pooling="column_mean", instance_weight=1.0)
    instance = model.losses(batch)["instance"]
    torch.testing.assert_close(instance, g4["instance_loss_mean_pooling"], rtol=1e-6, atol=1e-6)
    (hidden,) = model.encode(batch.supervised)
    assert batch.next_items is not None
    negative = from_left_padded(g4["target_neg"])[0][batch.next_items > 0]
    loss = bce(hidden, model.item_embedding.weight, batch.supervised_target, negative)
    torch.testing.assert_close(loss, g4["rec_loss"], rtol=1e-6, atol=1e-6)


def test_contrasts_are_the_authors() -> None:
    g1 = oracle("g1_iclrec_losses")
    mask = same_target_mask(g1["intent_ids"])
    for kind, negative_mask in (("plain", None), ("denoise", mask)):
        nce = info_nce(g1["x"], g1["y"], negative_mask=negative_mask)
        intents = [info_nce(g1[name], g1["intents"], negative_mask=negative_mask) for name in ("x", "y")]
        torch.testing.assert_close(nce, g1[f"nce_{kind}"], rtol=1e-6, atol=1e-6)
        torch.testing.assert_close(torch.stack(intents).mean(), g1[f"pcl_{kind}"], rtol=1e-6, atol=1e-6)


def test_recommendation_alone_draws_and_clusters_nothing(tmp_path: Path) -> None:
    model, loader = assemble(tmp_path, instance_weight=0.0, intent_weight=0.0)
    model.draw_views = None
    model.start_epoch(0)
    assert model.intents is None and set(model.named_losses(next(iter(loader)))) == {"recommendation"}


@pytest.mark.parametrize(("form", "anchors"), [("sequence", 0), ("sequence", 1), ("prefix", 0)])
def test_the_rows_that_contrast_compares_are_clustered(form: str, anchors: int, tmp_path: Path) -> None:
    model, loader = assemble(tmp_path, train_form=form, anchors_per_row=anchors, n_intents=5)
    seen: list[Rows] = []
    represent = model._intent_query

    def noted(block: Rows) -> torch.Tensor:
        seen.append(block)
        return represent(block)

    model._intent_query = noted
    model.train()
    model.start_epoch(0)
    assert model.training
    last = torch.cat([block.item_seq.gather(1, block.seq_len[:, None] - 1)[:, 0] for block in seen])
    whole = loader.prefixes if anchors else loader.rows
    assert torch.equal(last, whole.items[whole.end - 1])  # no validation or test item
    before = model.intents.centroids.clone()
    terms = model.named_losses(next(iter(loader)))
    sum(terms.values()).backward()
    assert torch.equal(model.intents.centroids, before) and {"instance", "intent"} < set(terms)
    assert model.end_epoch(0)["intent_distance"] > 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"right_aligned": False}, "pooling = concat: padding stands before"),
        ({"right_aligned": False, "pooling": "column_mean"}, "pooling = column_mean: padding stands before"),
        ({"n_intents": 1}, "n_intents = 1"),
        ({"complement": "gru", "instance_weight": 0.0}, "complement = gru: nothing compares with it"),
    ],
)
def test_bad_settings_are_refused_in_one_line(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as refusal:
        build_model("ICLRec", **settings)
    assert message in str(refusal.value) and "\n" not in str(refusal.value)
