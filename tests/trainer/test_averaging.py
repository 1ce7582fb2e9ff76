"""Averaged weights: what they are, where they are used, and that training goes on from them exactly."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from recbole_cl import run
from recbole_cl.errors import UsageError
from recbole_cl.testing.toy import TINY, write_cycle
from tests.trainer.parts import assemble


def weights(state: dict[str, torch.Tensor]) -> torch.Tensor:
    return torch.cat([it.detach().flatten() for it in state.values()])


def test_the_mean_is_that_of_the_definition(tmp_path: Path) -> None:
    decay = 0.6
    trainer, loader, _ = assemble(tmp_path, ema_decay=decay)
    history: list[torch.Tensor] = []
    for batch in loader:
        trainer.step(batch)
        history.append(weights(trainer.model.state_dict()))
    shares = torch.tensor([decay**age for age in reversed(range(len(history)))])
    expected = (torch.stack(history) * shares[:, None]).sum(0) / shares.sum()
    with trainer._average.in_model():
        torch.testing.assert_close(weights(trainer.model.state_dict()), expected)
    assert torch.equal(weights(trainer.model.state_dict()), history[-1])


def test_the_mean_is_validated_and_kept_and_training_goes_on_with_the_weights(tmp_path: Path) -> None:
    trainer, loader, valid = assemble(tmp_path, ema_decay=0.9, epochs=2)
    trainer.fit(loader, valid)
    last, best = (torch.load(path, weights_only=True) for path in (trainer.last, trainer.best))
    assert not torch.equal(weights(last["state_dict"]), weights(best["state_dict"]))
    trainer.load_best()
    again = trainer.metrics(trainer.rank(valid)[trainer.evaluation.history])
    assert again == pytest.approx(best["best_valid_result"])
    if best["epoch"] == 1:
        assert torch.equal(weights(best["state_dict"]), weights(last["average"]["mean"]))


def test_one_epoch_and_one_more_equal_two(tmp_path: Path) -> None:
    settings = TINY | write_cycle(tmp_path) | {"ema_decay": 0.95}
    whole, half = (run("SASRec", "cycle", epochs=epochs, **settings) for epochs in (2, 1))
    resumed = run(resume=str(half.run_dir), epochs=2)
    assert resumed.test == whole.test
    states = [torch.load(it.run_dir / "last.pth", weights_only=True) for it in (whole, resumed)]
    assert states[0]["average"]["steps"] == states[1]["average"]["steps"] > 0
    for held in (lambda it: it["state_dict"], lambda it: it["average"]["mean"]):
        assert torch.equal(*(weights(held(it)) for it in states))
    with pytest.raises(UsageError, match="ema_decay = 0.5: .* began with 0.95"):
        run(resume=str(half.run_dir), epochs=3, ema_decay=0.5)


def test_a_next_stage_begins_a_mean_of_its_own(tmp_path: Path) -> None:
    trainer, loader, _ = assemble(tmp_path, ema_decay=0.9)
    batches = list(loader)
    for batch in batches:
        trainer.step(batch)
    trainer._average.restart()
    trainer.step(batches[0])
    plain = weights(trainer.model.state_dict())
    with trainer._average.in_model():
        assert torch.equal(weights(trainer.model.state_dict()), plain)
