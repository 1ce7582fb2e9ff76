"""MCLRec: the authors' numbers, whose turn it is in each step, and its weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from recbole_cl.batch import Batch, Rows
from recbole_cl.config.config import Config
from recbole_cl.loss.info_nce import info_nce
from recbole_cl.runs.build import build_data, build_loader, build_trainer
from recbole_cl.runs.build import build_model as model_of_run
from recbole_cl.testing.toy import TINY, write_cycle
from tests.model.build import build_model, load_recbole_weights
from tests.oracles.load import oracle

WIDTHS = {"hidden_size": 8, "inner_size": 32}


def augmenter_state(values: dict[str, Tensor], prefix: str = "w::") -> dict[str, Tensor]:
    """The authors' augmenters, and what they computed of them, by our names."""
    state = {}
    for name, value in values.items():
        if name.startswith(f"{prefix}aug_"):
            number, dense, kind = name[len(prefix) + 4 :].split(".")
            state[f"augmenters.{int(number) - 1}.layers.{int(dense[-1]) - 1}.{kind}"] = value
    return state


def oracle_model(values: dict[str, Tensor], **settings: Any) -> Any:
    # their unused row is an item of ours, but for the scores
    model = build_model("MCLRec", 13, 6, **WIDTHS, **settings).eval()
    model.load_state_dict(model.state_dict() | augmenter_state(values))
    return model


def test_meta_loss_is_the_authors() -> None:
    i1 = oracle("i1_mclrec_terms")
    for weight, tag in ((0.1, "meta_contrast_rl1"), (0.0, "meta_contrast_rl0")):
        model = oracle_model(i1, meta_weight=1.0, regulariser_weight=weight)
        views = [i1[name].clone().requires_grad_() for name in ("z1", "z2")]
        for number, augmenter in enumerate(model.augmenters):
            augmented = augmenter(views[number])
            torch.testing.assert_close(augmented, i1[f"aug{number + 1}_out"], rtol=1e-6, atol=1e-6)
        loss = model._meta_loss(model.augmenters, *views)
        torch.testing.assert_close(loss, i1[tag], rtol=1e-6, atol=1e-6)
        loss.backward()
        first, second = model.augmenters
        gradients = [view.grad for view in views] + [first.layers[0].weight.grad, second.layers[2].weight.grad]
        for gradient, name in zip(gradients, ("z1", "z2", "aug_1.dense_1", "aug_2.dense_3"), strict=True):
            torch.testing.assert_close(gradient, i1[f"{tag}_grad_{name}"], rtol=1e-6, atol=1e-6)


def test_the_steps_of_a_batch_are_the_authors() -> None:
    i2 = oracle("i2_mclrec_steps")
    weights = {name: float(i2[name]) for name in ("lmd", "beta", "tau")}
    settings = {"contrastive_weight": weights["lmd"], "meta_weight": weights["beta"], "temperature": weights["tau"]}
    model = oracle_model(i2, **settings)
    given = {key[3:]: value for key, value in i2.items() if key.startswith("w::") and "aug_" not in key}
    given["item_embedding.weight"] = given["item_embedding.weight"][:13]
    load_recbole_weights(model, given)
    views = [Rows(i2[f"aug{number}"], i2[f"aug_len{number}"]) for number in (1, 2)]
    model.draw_views = lambda rows: views
    model._read = lambda batch: batch
    batch = Batch(i2["item_seq"], i2["item_len"], i2["pos_items"])
    for number, terms in enumerate(model.optimiser_steps(batch), start=1):
        model.zero_grad()
        loss = sum(terms().values())
        loss.backward()
        if number == 2:  # the authors add the contrast of the views, which moves no augmenter
            loss = loss + weights["lmd"] * info_nce(*model.encode(*model._views(batch)))
            expected = augmenter_state(i2, "step2::grad_")
            assert len(expected) == 12
            for name, parameter in model.named_parameters():
                if name in expected:
                    torch.testing.assert_close(parameter.grad, expected[name], rtol=1e-6, atol=1e-6)
                else:
                    assert parameter.grad is None, name
        else:
            assert all(parameter.grad is None for parameter in model.augmenters.parameters())
            gradient = i2[f"step{number}::grad_item_embedding"][:13]
            torch.testing.assert_close(model.item_embedding.weight.grad, gradient, rtol=1e-6, atol=1e-6)
        torch.testing.assert_close(loss, i2[f"step{number}::loss"], rtol=1e-6, atol=1e-6)
    assert number == 3
    hidden = model(i2["item_seq"], i2["item_len"])
    torch.testing.assert_close(hidden, i2["forward_last"], rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(model.score_items(hidden, 0, 13), i2["full_sort_scores"], rtol=1e-6, atol=1e-6)


def assemble(tmp_path: Path, **settings: Any) -> tuple[Any, Any, Any]:
    config = Config("MCLRec", "cycle", config_dict=TINY | write_cycle(tmp_path) | settings)
    train, *_ = build_data(config)[1]
    model = model_of_run(config, train)
    (tmp_path / "run").mkdir()
    return model, build_loader(config, model, train), build_trainer(config, model, tmp_path / "run")


def test_a_batch_steps_as_two_optimisers_would_in_turns(tmp_path: Path) -> None:
    """Encoder, augmenters, encoder: to the bit what two Adams of their own do."""
    (model, loader, trainer), (twin, *_) = (assemble(tmp_path / name) for name in ("ours", "twin"))
    batches = list(loader)
    own: dict[bool, list[Any]] = {False: [], True: []}
    for name, parameter in twin.named_parameters():
        own[name.startswith("augmenters.")].append(parameter)
    optimisers = [torch.optim.Adam(own[it], lr=trainer.settings.learning_rate, fused=True) for it in (False, True)]
    for batch in batches:
        logged = trainer.step(batch)
        for number, terms in enumerate(twin.optimiser_steps(batch)):
            twin.zero_grad()
            torch.stack(list(terms().values())).sum().backward()
            optimisers[number % 2].step()
    assert set(logged) == {"recommendation", "contrastive", "meta", "augmenters"}
    for name, value in model.state_dict().items():
        assert torch.equal(value, twin.state_dict()[name]), name


def test_views_are_the_same_in_all_steps_and_drawn_once(tmp_path: Path) -> None:
    model, loader, _ = assemble(tmp_path)
    drawn: list[int] = []
    encoded: list[Any] = []
    draw, encode = model.draw_views, model.encode

    def noted_draw(rows: Rows) -> Any:
        drawn.append(1)
        return draw(rows)

    def noted_encode(*rows: Rows) -> Any:
        encoded.append((rows[-2:], torch.is_grad_enabled()))
        return encode(*rows)

    model.draw_views, model.encode = noted_draw, noted_encode
    assert len([step() for step in model.optimiser_steps(next(iter(loader)))]) == 3 and len(drawn) == 1
    assert [gradients for _, gradients in encoded] == [True, False, True]
    assert all(views[0] is encoded[0][0][0] and views[0].holes for views, _ in encoded)


@pytest.mark.parametrize(
    ("settings", "terms"),
    [
        ({"joint": True}, {"recommendation", "contrastive", "meta"}),
        ({"meta_weight": 0.0}, {"recommendation", "contrastive"}),
        ({"meta_weight": 0.0, "contrastive_weight": 0.0}, {"recommendation"}),
    ],
)
def test_one_step_where_there_are_no_turns(settings: dict[str, Any], terms: set[str], tmp_path: Path) -> None:
    model, loader, _ = assemble(tmp_path, **settings)
    steps = [step() for step in model.optimiser_steps(next(iter(loader)))]
    assert [set(step) for step in steps] == [terms]
    assert (model.augmenters is not None) == ("meta" in terms)
    sum(steps[0].values()).backward()
    assert all(parameter.grad is not None for name, parameter in model.named_parameters() if "augmenters" in name)
