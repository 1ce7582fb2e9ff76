"""The loop: steps and their settings, early stopping, what ends a run, and what a finished one does when resumed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from recbole_cl import run
from recbole_cl.errors import UsageError
from recbole_cl.testing.toy import TINY, write_cycle
from recbole_cl.trainer.trainer import Trainer
from tests.trainer.parts import assemble

METRICS = {f"{name}@{k}" for name in ("hit", "ndcg", "mrr") for k in (5, 10, 20)}


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Any]:
    return TINY | write_cycle(tmp_path)


def gradient_norm(trainer: Trainer) -> float:
    return float(torch.stack([it.grad.norm() for it in trainer.model.parameters() if it.grad is not None]).norm())


@pytest.mark.slow
def test_gradients_are_clipped_to_the_given_norm(tmp_path: Path) -> None:
    free = assemble(tmp_path)
    batch = next(iter(free.loader))
    free.trainer.step(batch)
    norm = gradient_norm(free.trainer)
    for limit in (0.5, 2.0):
        clipped = assemble(tmp_path, clip_grad_norm={"max_norm": limit * norm}, learner="sgd", learning_rate=1.0)
        before = torch.cat([it.detach().flatten().clone() for it in clipped.trainer.model.parameters()])
        clipped.trainer.step(batch)
        assert gradient_norm(clipped.trainer) == pytest.approx(min(limit, 1) * norm, rel=1e-4)
        moved = torch.cat([it.detach().flatten() for it in clipped.trainer.model.parameters()]) - before
        assert float(moved.norm()) == pytest.approx(min(limit, 1) * norm, rel=1e-3)  # before the step, not after it


@pytest.mark.parametrize("more", [{}, {"norm_type": 1.0}, {"error_if_nonfinite": True}])
def test_clipping_takes_all_that_torch_takes(more: dict[str, Any], tmp_path: Path) -> None:
    parts = assemble(tmp_path, clip_grad_norm={"max_norm": 0.01} | more)
    parts.trainer.step(next(iter(parts.loader)))
    gradients = torch.cat([it.grad.flatten() for it in parts.trainer.model.parameters()])
    assert float(gradients.norm(more.get("norm_type", 2.0))) == pytest.approx(0.01, rel=1e-3)


LEARNERS: dict[str, type[torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "AdamW": torch.optim.AdamW,
    "sgd": torch.optim.SGD,
    "adagrad": torch.optim.Adagrad,
    "rmsprop": torch.optim.RMSprop,
}


@pytest.mark.parametrize("learner", LEARNERS)
def test_every_learner_trains_with_its_rates(learner: str, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"learner": learner, "learning_rate": 0.01, "weight_decay": 0.001}
    trainer, loader, valid = assemble(tmp_path, epochs=4, **settings)
    assert isinstance(trainer.optimizer, LEARNERS[learner])
    assert [(it["lr"], it["weight_decay"]) for it in trainer.optimizer.param_groups] == [(0.01, 0.001)]
    trainer.fit(loader, valid)
    assert trainer.train_loss_dict[3] < trainer.train_loss_dict[0]


@pytest.mark.slow
@pytest.mark.parametrize("learner", ["adagrad", "rmsprop"])  # others than the contract's adam, with states of their own
def test_with_another_learner_one_epoch_and_one_more_equal_two(learner: str, settings: dict[str, Any]) -> None:
    settings |= {"learner": learner, "clip_grad_norm": {"max_norm": 1.0}, "weight_decay": 1e-3}
    whole, half = (run("SASRec", "cycle", epochs=epochs, **settings) for epochs in (2, 1))
    resumed = run(resume=str(half.run_dir), epochs=2)
    states = [torch.load(it.run_dir / "last.pth", weights_only=True) for it in (whole, resumed)]
    assert resumed.test == whole.test
    assert all(torch.equal(value, states[1]["state_dict"][key]) for key, value in states[0]["state_dict"].items())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["DuoRec", "ECLSR"])  # a step of every model is in the contract
def test_a_model_trains_in_mixed_precision(name: str, tmp_path: Path) -> None:
    """Losses near those in full precision, of weights that stay in it, and others than with it off."""
    losses, weights = [], []
    for on in (False, True):
        trainer, loader, valid = assemble(tmp_path, name, epochs=2, enable_amp=on)
        trainer.fit(loader, valid)
        losses.append([trainer.train_loss_dict[epoch] for epoch in range(2)])
        weights.append(list(trainer.model.parameters()))
        assert trainer.best_valid_result is not None and 0 <= trainer.best_valid_result["hit@10"] <= 1
    assert losses[1] == pytest.approx(losses[0], rel=0.05) and losses[1] != losses[0]
    assert all(it.dtype == torch.float32 and bool(it.isfinite().all()) for it in weights[1])


def test_without_validation_the_last_epoch_is_kept(tmp_path: Path) -> None:
    trainer, loader, _ = assemble(tmp_path, epochs=3)
    trainer.fit(loader)
    kept = torch.load(trainer.best, weights_only=True)
    assert (kept["epoch"], trainer.best_epoch, trainer.epochs_run) == (2, 2, 3)
    assert all(torch.equal(value, kept["state_dict"][key]) for key, value in trainer.model.state_dict().items())


def test_files_lie_where_the_trainer_is_told(tmp_path: Path) -> None:
    trainer, loader, valid = assemble(tmp_path, epochs=1)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    told = Trainer(
        trainer.config,
        trainer.model,
        trainer.settings,
        trainer.evaluation,
        best=tmp_path / "a" / "weights.pth",
        last=tmp_path / "b" / "state.pth",
        log_dir=tmp_path / "events",
    )
    told.fit(loader, valid)
    assert (tmp_path / "a" / "weights.pth").is_file() and (tmp_path / "b" / "state.pth").is_file()
    assert any("tfevents" in path.name for path in (tmp_path / "events").iterdir())


def scored_by(trainer: Trainer, *scores: float) -> None:
    """Gives the score of each epoch's validation."""
    validate = trainer._valid_epoch

    def fixed(*args: Any, **kwargs: Any) -> tuple[float, dict[str, float]]:
        result = validate(*args, **kwargs)[1]
        return scores[trainer.start_epoch + trainer.epochs_run - 1], result

    trainer._valid_epoch = fixed  # type: ignore[method-assign]


@pytest.mark.parametrize(("epochs", "stopping_step"), [(4, 10), (5, 1)])
def test_a_resumed_training_that_is_finished_keeps_its_best_weights(
    epochs: int, stopping_step: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Whether it reached its last epoch or stopped early; RecBole would test, and save as best, the last weights."""
    caplog.set_level("INFO")
    limits: dict[str, Any] = {"epochs": epochs, "stopping_step": stopping_step}
    first, loader, valid = assemble(tmp_path, **limits)
    scored_by(first, 0.1, 0.5, 0.4, 0.3, 0.9)
    first.fit(loader, valid)
    kept = torch.load(tmp_path / "best.pth", weights_only=True)
    again, loader, valid = assemble(tmp_path, **limits)
    again.resume(loader)
    again.fit(loader, valid)
    assert f"nothing to train, {'its last epoch is done' if epochs == 4 else 'it had stopped early'}" in caplog.text
    again.load_best()
    assert (again.best_epoch, again.start_epoch, again.epochs_run) == (1, 4, 0)
    assert again.best_valid_result == kept["best_valid_result"] == again.metrics(again.rank(valid)["keep"])
    now = torch.load(tmp_path / "best.pth", weights_only=True)
    for weights in (now["state_dict"], again.model.state_dict()):
        assert all(torch.equal(weights[key], value) for key, value in kept["state_dict"].items())


def test_a_finished_run_that_is_resumed_is_tested_again(settings: dict[str, Any]) -> None:
    first = run("SASRec", "cycle", epochs=2, **settings)
    again = run(resume=str(first.run_dir))
    assert (again.best_epoch, again.epochs_run) == (first.best_epoch, first.epochs_run)
    assert (again.test, again.valid) == (first.test, first.valid)


def test_no_epochs_and_rare_validations(settings: dict[str, Any]) -> None:
    none = run("SASRec", "cycle", epochs=0, **settings)
    assert (none.best_epoch, none.epochs_run, none.valid) == (-1, 0, {}) and set(none.test["history_kept"]) == METRICS
    rare = run("SASRec", "cycle", epochs=5, eval_step=3, **settings)
    assert (rare.best_epoch, rare.epochs_run) == (2, 5)


def test_lists_longer_than_the_catalogue_are_refused_before_training(settings: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="topk = 21: there are 20 items, too few for that list"):
        run("SASRec", "cycle", topk=[5, 21], valid_metric="Hit@5", **settings)
    whole = run("SASRec", "cycle", epochs=0, topk=[5, 20], valid_metric="Hit@5", **settings).test
    assert whole["history_kept"]["hit@20"] == 1


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"epochs": 3}, "loss became nan in epoch 0.*lower learning_rate"),
        ({"epochs": 1, "train_batch_size": 10_000}, "scores targets as NaN.*lower learning_rate"),
    ],
)
def test_a_run_that_diverges_is_stopped(more: dict[str, Any], words: str, settings: dict[str, Any]) -> None:
    """In the loss, or, after the last step, in the scores."""
    with pytest.raises(UsageError, match=words):
        run("SASRec", "cycle", learning_rate=1e30, **(settings | more))
