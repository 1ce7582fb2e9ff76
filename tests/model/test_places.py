"""Every tensor of a training step lies where it is used, as far as a machine without a GPU can tell.

The device is called ``cpu:0`` here and the host ``cpu``: torch takes them for one, and ``Places`` tells them apart.
"""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakIdKeyDictionary

from recbole_cl.config.models import model_class, own_models
from tests.model.test_contract import BOTH_FORMS, assemble

DEVICE = torch.device("cpu", 0)
HOST = torch.device("cpu")
GETS_DEVICE, ASKS_FOR_CPU = (vars(torch._C.TensorBase)[it].__get__ for it in ("device", "is_cpu"))
EITHER = ("copy_", "to", "cpu", "__get__", "gru")  # move tensors, ask about them, or want sizes on the host


class Places(TorchFunctionMode):
    """Follows where tensors would lie, and lists the functions that would be given some of either place.

    A tensor of one number may lie anywhere, as for CUDA. What was made before, and is not ``placed``, is not followed.
    """

    def __init__(self) -> None:
        super().__init__()
        self.faults: list[str] = []
        self._place: Any = WeakIdKeyDictionary()

    def placed(self, tensors: Any, device: torch.device) -> None:
        """Says where the tensors of a structure lie."""
        for tensor in tree_leaves(tensors):
            if isinstance(tensor, Tensor):
                self._place[tensor] = device

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = getattr(function, "__name__", "")
        given = [it for it in tree_leaves((args, kwargs)) if isinstance(it, Tensor)]
        known = [self._place[it] for it in given if it in self._place and (it.dim() or len(given) == 1)]
        if known and function == GETS_DEVICE:
            return known[0]
        if known and function == ASKS_FOR_CPU:
            return known[0] == HOST
        if len({str(it) for it in known}) == 2 and name not in EITHER:
            inside = [it for it in traceback.extract_stack() if "recbole_cl/" in it.filename]
            self.faults.append(f"{name} at {Path(inside[-1].filename).name}:{inside[-1].lineno}" if inside else name)
        result = function(*args, **kwargs)
        if name in ("to", "cpu") and any(result is it for it in given):
            result = torch.ops.aten.alias(result)  # which a copy would not be: the same tensor
        asked = [it for it in (*args[1:], *kwargs.values()) if isinstance(it, torch.device)]
        if name == "cpu":
            self.placed(result, HOST)
        elif (asked and name == "to") or "generator" in kwargs:  # a generator of the model's, where the model is
            self.placed(result, DEVICE)
        elif not given:
            self.placed(result, asked[0] if asked else HOST)
        elif known and (name.endswith("__") or not name.endswith("_")):
            self.placed(result, DEVICE if DEVICE.index in [it.index for it in known] else HOST)
        return result


def test_what_lies_apart_is_noticed() -> None:
    with Places() as places:
        far, near = torch.ones(2, device=DEVICE), torch.ones(2)
        assert far.device == DEVICE and near.device == HOST
        (2 * far) + torch.ones(2, device=far.device) + near.to(DEVICE) + torch.tensor(3)
        assert not places.faults
        far.exp() * near
        near[far.long() - 1]
        assert places.faults == ["mul", "__getitem__"]


def faults(name: str, folder: Path, **settings: Any) -> list[str]:
    """What a step of a model, and an epoch's begin, would be given that lies elsewhere."""
    _, model, loader = assemble(model_class(name), folder, train_batch_size=32, **settings)
    assert model.group_by_length
    model.device = DEVICE
    with Places() as places:
        places.placed([*model.parameters(), *model.buffers()], DEVICE)
        batch = next(iter(loader))
        places.placed(list(batch.interaction.values()), DEVICE)
        model.start_epoch(0)
        for terms in model.optimiser_steps(batch):
            torch.stack(list(terms().values())).sum().backward()
    return places.faults


@pytest.fixture(autouse=True)
def _the_host_waits_for_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recbole_cl.host.waits_for", lambda device: device == DEVICE)


@BOTH_FORMS
@pytest.mark.parametrize("name", own_models())
def test_all_of_a_step_lies_on_the_device(name: str, form: str, tmp_path: Path) -> None:
    assert not faults(name, tmp_path, train_form=form)


@pytest.mark.parametrize("encoder", ["gru", "bsarec", "ligr", "query_norm"])
def test_with_every_encoder_too(encoder: str, tmp_path: Path) -> None:
    assert not faults("CL4SRec", tmp_path, encoder=encoder)


@pytest.mark.parametrize("loss", ["ce", "sampled_softmax", "bpr", "bce", "gbce", "uncorrected_softmax"])
def test_with_every_loss_too(loss: str, tmp_path: Path) -> None:
    assert not faults("SASRec", tmp_path, recommendation_loss=loss)
