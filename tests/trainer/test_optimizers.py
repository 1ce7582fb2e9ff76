"""Optimisers without the compiler's decorators: the same steps, to the last bit."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from recbole_cl.trainer.optimizers import build_optimizer

OF_TORCH: dict[str, Any] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": torch.optim.SGD,
    "adagrad": torch.optim.Adagrad,
    "rmsprop": torch.optim.RMSprop,
}


def trained(optimizer: torch.optim.Optimizer, weights: torch.nn.Parameter, steps: int) -> None:
    for _ in range(steps):
        optimizer.zero_grad(set_to_none=True)
        ((weights - 3).pow(2) * torch.arange(1.0, 8.0)).sum().backward()
        optimizer.step()


@pytest.mark.parametrize("learner", OF_TORCH)
def test_steps_are_torchs_and_go_on_from_a_state(learner: str) -> None:
    start = torch.linspace(-1, 1, 7)
    ours, theirs = (torch.nn.Parameter(start.clone()) for _ in range(2))
    rates = {"lr": 0.05, "weight_decay": 0.01}
    fused = {"fused": True} if learner.startswith("adam") else {}
    optimizer = build_optimizer(learner.upper(), [ours], **rates)
    trained(optimizer, ours, 3)
    trained(OF_TORCH[learner]([theirs], **rates, **fused), theirs, 5)
    state = optimizer.state_dict()
    again = build_optimizer(learner, [ours], lr=1.0, weight_decay=0.0)
    again.load_state_dict(state)
    trained(again, ours, 2)
    assert torch.equal(ours, theirs) and not ours.equal(start)


def test_hooks_around_a_step_are_called() -> None:
    weights, called = torch.nn.Parameter(torch.zeros(7)), []
    optimizer = build_optimizer("adam", [weights], lr=0.1, weight_decay=0.0)
    optimizer.register_step_post_hook(lambda *_: called.append(True))
    trained(optimizer, weights, 2)
    assert called == [True, True]
