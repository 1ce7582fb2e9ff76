"""Methods under every encoder that attends: what the contract asks of them under the common one."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from recbole_cl import run
from recbole_cl.config.models import model_class
from recbole_cl.testing.toy import SMALL, write_cycle
from tests.model.build import losses_and_gradients
from tests.model.test_contract import assemble
from tests.model.test_device import seen

LAYOUTS: dict[str, dict[str, Any]] = {
    "query_norm": {"scale_items": True, "attend_padding": True, "initializer": "xavier", "right_aligned": True},
    "ligr": {"scale_items": True, "initializer": "xavier"},
    "bsarec": {"train_form": "prefix", "filter_cutoff": 2},
}
EVERY_LAYOUT = pytest.mark.parametrize("encoder", LAYOUTS)
WITHOUT_DROPOUT = {"hidden_dropout_prob": 0.0, "attn_dropout_prob": 0.0}
CAUSAL = pytest.mark.parametrize("encoder", ["query_norm", "ligr"])


def built(name: str, encoder: str, folder: Path, **settings: Any) -> tuple[Any, Any]:
    """A model under an encoder, and its loader."""
    given = {"train_form": "sequence", "encoder": encoder} | LAYOUTS[encoder] | settings
    return assemble(model_class(name), folder, **given)[1:]


@EVERY_LAYOUT
@pytest.mark.parametrize("name", ["SASRec", "DuoRec", "CoSeRec", "SRMA"])
def test_losses_reach_every_parameter_however_rows_are_grouped(name: str, encoder: str, tmp_path: Path) -> None:
    model, loader = built(name, encoder, tmp_path, **WITHOUT_DROPOUT)
    interaction = next(iter(loader))
    model.start_epoch(0)
    results = [losses_and_gradients(model, partial(model.named_losses, interaction), how) for how in (True, False)]
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)
    for key, parameter in model.named_parameters():
        assert parameter.grad.isfinite().all() and (parameter.grad.abs().sum() > 0 or "bias" in key), key


@CAUSAL
def test_a_replaced_item_can_be_looked_for_from_both_sides(encoder: str, tmp_path: Path) -> None:
    model, loader = built("ECLSR", encoder, tmp_path, **WITHOUT_DROPOUT, bidirectional_discriminator=True)
    interaction = next(iter(loader))
    results = [losses_and_gradients(model, partial(model.named_losses, interaction), how) for how in (True, False)]
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


@CAUSAL
def test_a_step_does_not_wait_for_the_device(encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recbole_cl.host.waits_for", lambda device: True)
    model, loader = built("DuoRec", encoder, tmp_path, train_batch_size=32)
    batch = next(iter(loader))  # made on the host
    assert seen(lambda: sum(model.named_losses(batch).values()).backward()) == []


@pytest.mark.slow
@CAUSAL
def test_compiling_changes_nothing(encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager", fullgraph=True))
    results = []
    for compiled in (False, True):
        folder = tmp_path / str(compiled)
        how = {"compile_encoder": compiled, "n_layers": 1, "attend_padding": False} | WITHOUT_DROPOUT
        model, loader = built("SASRec", encoder, folder, **how)
        results.append(losses_and_gradients(model, partial(model.named_losses, next(iter(loader))), False))
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
@EVERY_LAYOUT
def test_the_circle_is_learnt(encoder: str, tmp_path: Path) -> None:
    settings = SMALL | write_cycle(tmp_path) | LAYOUTS[encoder] | {"encoder": encoder, "train_batch_size": 64}
    dropout = {"hidden_dropout_prob": 0.1, "attn_dropout_prob": 0.1}
    more = {"epochs": 6, "eval_step": 6, "learning_rate": 0.01, "metrics": ["Recall", "MRR"], "topk": [1, 10]}
    result = run("SASRec", "cycle", **(settings | dropout | more))
    assert result.test["history_kept"]["recall@1"] > 0.9
