"""Requirements for every method, in both training forms: tests that use a fixture ``model_class``.

``python -m recbole_cl.testing my_package.my_module.MyMethod`` runs them on a class. A test suite of your own
runs them by ``from recbole_cl.testing.contract import *`` and a fixture ``model_class`` that returns the class.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from recbole.config import Config as RecBoleConfig
from recbole.data import create_dataset, data_preparation
from recbole.trainer import Trainer as RecBoleTrainer

from recbole_cl import load, run
from recbole_cl.config.config import Config
from recbole_cl.config.presets import model_defaults
from recbole_cl.errors import UsageError
from recbole_cl.evaluation.evaluate import RankEvaluator
from recbole_cl.evaluation.ranks import evaluation_rows
from recbole_cl.runs.build import build_data, build_loader, build_model
from recbole_cl.testing.gradients import losses_and_gradients
from recbole_cl.testing.toy import N_ITEMS, SMALL, write_cycle

BOTH_FORMS = pytest.mark.parametrize("form", ["prefix", "sequence"])


def without_first_stage(model_class: type) -> dict[str, Any]:
    """Settings without pre-training epochs, which would be all epochs of the runs here."""
    return {"pretrain_epochs": 0} if "pretrain_epochs" in model_defaults(model_class) else {}


def assemble(model_class: type, tmp_path: Path, **settings: Any) -> tuple[Config, Any, Any]:
    config = Config(
        model_class, "cycle", config_dict=SMALL | write_cycle(tmp_path) | without_first_stage(model_class) | settings
    )
    splits = build_data(config)[1]
    model = build_model(config, splits[0])
    return config, model, build_loader(config, model, splits[0])


@BOTH_FORMS
def test_losses_are_named_finite_and_reach_every_parameter(model_class: type, form: str, tmp_path: Path) -> None:
    _, model, loader = assemble(model_class, tmp_path, train_form=form)
    interaction = next(iter(loader))
    for epoch in range(2):  # a term may begin in the second one
        model.start_epoch(epoch)
        terms = model.named_losses(interaction)
        assert "recommendation" in terms and all(torch.isfinite(term) and term.dim() == 0 for term in terms.values())
        sum(terms.values()).backward()
        model.end_epoch(epoch)
    for key, parameter in model.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), key
    assert all(parameter.grad.abs().sum() > 0 for key, parameter in model.named_parameters() if "bias" not in key)


@BOTH_FORMS
def test_grouping_by_length_changes_nothing(model_class: type, form: str, tmp_path: Path) -> None:
    """Same batch, same losses, same gradients to 1e-5, with dropout 0."""
    off = {"hidden_dropout_prob": 0.0, "attn_dropout_prob": 0.0, "train_form": form}
    _, model, loader = assemble(model_class, tmp_path, **off)
    interaction = next(iter(loader))
    results = [losses_and_gradients(model, lambda: model.named_losses(interaction), how) for how in (True, False)]
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


def test_bfloat16_gradients_are_finite_and_losses_near(model_class: type, tmp_path: Path) -> None:
    off = {"hidden_dropout_prob": 0.0, "attn_dropout_prob": 0.0, "train_form": "sequence"}
    _, model, loader = assemble(model_class, tmp_path, **off)
    interaction = next(iter(loader))
    totals = []
    for enabled in (False, True):
        model.generator.manual_seed(0)
        model.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            total = sum(model.named_losses(interaction).values())
        total.backward()
        totals.append(total.float())
        for key, parameter in model.named_parameters():
            assert parameter.grad is None or torch.isfinite(parameter.grad).all(), key
    torch.testing.assert_close(totals[1], totals[0], rtol=0.05, atol=0.05)


def test_predict_agrees_with_full_sort_predict(model_class: type, tmp_path: Path) -> None:
    _, model, loader = assemble(model_class, tmp_path, train_form="prefix")
    interaction = next(iter(loader))
    model.eval()
    with torch.no_grad():
        scores = model.full_sort_predict(interaction)
        assert scores.shape == (len(interaction), N_ITEMS + 1)  # all items and the padding, no mask token
        picked = scores.gather(1, interaction["item_id"].unsqueeze(1)).squeeze(1)
        torch.testing.assert_close(model.predict(interaction), picked, rtol=1e-5, atol=1e-6)


def test_never_recommends_the_padding_or_the_mask_token(model_class: type, tmp_path: Path) -> None:
    _, model, loader = assemble(model_class, tmp_path)
    model.item_embedding.weight.data[[0, -1]] *= 1000  # padding, and the mask token or the last item
    split = evaluation_rows(loader.prefixes, model.n_items)
    for ranks in RankEvaluator(model, 50, top_k=5).rank(split).values():
        assert ranks.top_items is not None
        assert int(ranks.top_items.min()) >= 1 and int(ranks.top_items.max()) < model.n_items


@BOTH_FORMS
def test_learns_the_circle(model_class: type, form: str, tmp_path: Path) -> None:
    """History removed: contrast may make a row's state similar to the row's own items, and need not rank them low."""
    epochs, batch_size = {"prefix": (7, 64), "sequence": (16, 32)}[form]  # of 10 and of 3 steps
    settings = {"epochs": epochs, "learning_rate": 0.01, "train_form": form, "topk": [1, 5, 10]}
    settings |= {"train_batch_size": batch_size}
    dropout = {"hidden_dropout_prob": 0.1, "attn_dropout_prob": 0.1}
    protocol = {"metrics": ["Recall", "MRR"], "valid_metric": "MRR@10", "eval_step": epochs}
    settings |= write_cycle(tmp_path) | without_first_stage(model_class)
    result = run(model_class, "cycle", **(SMALL | settings | dropout | protocol))
    recall = result.test["history_removed"]["recall@1"]
    assert recall > 0.9, "not learnt in these steps: if it is with a contrastive weight of 0, the method is only slower"


@BOTH_FORMS
def test_one_epoch_and_one_more_equal_two(model_class: type, form: str, tmp_path: Path) -> None:
    settings: dict[str, Any] = SMALL | write_cycle(tmp_path, n_users=24) | {"train_form": form, "train_batch_size": 64}
    settings |= without_first_stage(model_class)
    whole = run(model_class, "cycle", **settings, epochs=2)
    half = run(model_class, "cycle", **settings, epochs=1)
    resumed = run(model_class, "cycle", **settings, epochs=2, resume=str(half.run_dir))
    assert resumed.run_dir == half.run_dir and resumed.epochs_run == 2
    states = [torch.load(r.run_dir / "last.pth", weights_only=True)["state_dict"] for r in (whole, resumed)]
    for key, value in states[0].items():
        assert torch.equal(value, states[1][key]), f"another {key} by the same seed, or by going on"
    assert whole.test == resumed.test


def test_a_loaded_run_scores_as_the_trained_one(model_class: type, tmp_path: Path) -> None:
    settings = SMALL | write_cycle(tmp_path) | without_first_stage(model_class)
    result = run(model_class, "cycle", **settings, epochs=1)
    first, second = (load(result.run_dir, model_class) for _ in range(2))
    rows = first.splits[2][torch.arange(5)]
    with torch.no_grad():
        scores = [loaded.model.full_sort_predict(rows) for loaded in (first, second)]
    assert torch.equal(*scores) and not first.model.training
    ranks = (scores[0][:, 1:] >= scores[0].gather(1, rows["item_id"].unsqueeze(1))).sum(1)
    stored = np.load(result.run_dir / "ranks_test.npy", allow_pickle=False)
    assert stored.dtype == np.int32
    user = rows["user_id"]
    assert stored[user.numpy() - 1].tolist() == ranks.tolist()


def test_runs_in_a_plain_recbole_script(model_class: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings: dict[str, Any] = write_cycle(tmp_path / "data") | without_first_stage(model_class)
    monkeypatch.setattr("sys.argv", ["script.py"])
    monkeypatch.chdir(tmp_path)  # RecBole writes event files to the working directory
    settings |= {"epochs": 1, "train_neg_sample_args": None, "load_col": {"inter": ["user_id", "item_id", "timestamp"]}}
    config = RecBoleConfig(model=model_class, dataset="cycle", config_dict=settings | SMALL)
    train, valid, test = data_preparation(config, create_dataset(config))
    model = model_class(config, train.dataset)
    trainer = RecBoleTrainer(config, model)
    trainer.fit(train, valid, verbose=False, saved=False)
    metrics = trainer.evaluate(test, load_best_model=False)
    assert 0 <= metrics["hit@10"] <= 1 and trainer.train_loss_dict[0] > 0


@pytest.mark.parametrize("negatives", [{}, {"train_neg_sample_args": {"distribution": "popularity"}}])
def test_never_takes_a_plain_scripts_sampled_negatives_for_targets(
    model_class: type, negatives: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["script.py"])
    config = RecBoleConfig(model=model_class, dataset="cycle", config_dict=negatives)  # uniform ones are its default
    with pytest.raises(UsageError, match="train_neg_sample_args draws (uniform|popularity) negatives"):
        model_class(config, None)  # before it looks at the data
