"""What a step asks of a device: no waiting for its results, and an encoder that can be compiled whole."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from recbole_cl.config.models import model_class, own_models
from tests.model.build import losses_and_gradients
from tests.model.test_contract import BOTH_FORMS, assemble

# Where the shape of something depends on values: BERT4Rec's head works on the items that were masked only, whose
# number is drawn, as is that of the items that ELECRec replaces, and nobody has counted the items of rows with targets.
WAITS = {
    ("BERT4Rec", "prefix"): 2,
    ("BERT4Rec", "sequence"): 2,
    ("ELECRec", "prefix"): 1,
    ("ELECRec", "sequence"): 1,
}
SHAPED_BY_VALUES = ("nonzero", "masked_select", "unique", "_local_scalar_dense", "is_nonzero", "equal", "bincount")


EVERY_MODEL = pytest.mark.parametrize("name", own_models())
READS = ("tolist", "cpu", "numpy", "__array__")


class WaitsForDevice(TorchDispatchMode):
    """Lists the operations for which the host would wait for a GPU: those whose result's shape depends on values."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = function.name().removeprefix("aten::").split(".")[0]
        counts = name == "repeat_interleave" and kwargs.get("output_size") is None
        selects = name in ("index", "index_put_") and any(t is not None and t.dtype == torch.bool for t in args[1])
        shaped = name.startswith(SHAPED_BY_VALUES) and name != "nonzero_static"
        if counts or selects or shaped:
            self.seen.append(name)
        return function(*args, **kwargs)


def seen(act: Any) -> list[str]:
    """What an act waits for: such operations, and reading tensors out, which no dispatcher sees on a CPU."""
    waits = WaitsForDevice()

    def noting(name: str, read: Any) -> Any:
        def noted(*args: Any, **kwargs: Any) -> Any:
            waits.seen.append(name)
            return read(*args, **kwargs)

        return noted

    with pytest.MonkeyPatch.context() as patch, waits:
        for name in READS:
            patch.setattr(Tensor, name, noting(name, getattr(Tensor, name)))
        act()
    return waits.seen


def test_waiting_is_noticed() -> None:
    values = torch.arange(4)
    assert seen(lambda: values.sum().item()) == ["_local_scalar_dense"]
    assert seen(lambda: values[values > 1]) == ["index"]
    assert seen(lambda: values.repeat_interleave(values)) == ["repeat_interleave"]
    assert seen(lambda: values.repeat_interleave(values, output_size=6)) == []
    assert seen(lambda: values[values]) == []
    assert seen(lambda: values.tolist()) == ["tolist"] and seen(lambda: values.cpu()) == ["cpu"]
    assert seen(lambda: values.numpy()) == ["numpy"]


@BOTH_FORMS
@EVERY_MODEL
def test_a_step_does_not_wait_for_the_device(
    name: str, form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recbole_cl.host.waits_for", lambda device: True)
    _, model, loader = assemble(model_class(name), tmp_path, train_form=form, train_batch_size=32)
    assert model.group_by_length
    model.start_epoch(0)
    batch = next(iter(loader))  # made on the host
    model.named_losses(batch)  # the first step may wait for what was fitted

    def step() -> None:
        torch.stack(list(model.named_losses(batch).values())).sum().backward()

    waits = seen(step)
    assert len(waits) == WAITS.get((name, form), 0), waits


@pytest.mark.slow
@pytest.mark.parametrize("name", ["SASRec", "BERT4Rec", "SRMA", "ECLSR"])  # causal, not; layers dropped; two encoders
def test_compiling_the_encoder_changes_nothing(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One graph without breaks, and the losses and gradients of the encoder as it is; any backend gets this graph."""
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager", fullgraph=True))
    off = {"hidden_dropout_prob": 0.0, "attn_dropout_prob": 0.0, "train_form": "sequence"}
    results: list[list[Tensor]] = []
    for compiled in (False, True):
        _, model, loader = assemble(
            model_class(name), tmp_path / str(compiled), compile_encoder=compiled, n_layers=1, **off
        )
        marked = [module for module in model.encoder.modules() if module._compiled_call_impl is not None]
        assert len(marked) == compiled and model.group_by_length is not compiled
        results.append(losses_and_gradients(model, partial(model.named_losses, next(iter(loader))), False))
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)
