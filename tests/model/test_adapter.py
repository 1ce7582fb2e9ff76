"""RecBole's models under the interface of ours: the same class by name and weights, scored and trained as it is."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest
import torch

from recbole_cl.config.models import available_models, model_class, own_models
from recbole_cl.data.dataset import ContrastiveDataset
from recbole_cl.model.adapter import adapted
from recbole_cl.model.interface import TrainableModel
from recbole_cl.runs.build import build_data
from recbole_cl.testing.toy import N_ITEMS
from tests.trainer.parts import config_of

PLAIN = {"inner_size": None, "hidden_size": None}


def built(folder: Path, name: str, adapt: bool = True) -> tuple[Any, ContrastiveDataset]:
    """A model in eval mode, and the test split."""
    config = config_of(folder, name, **({} if name in own_models() else PLAIN))
    train, _, test = build_data(config)[1]
    torch.manual_seed(0)
    cls = adapted(config.model_class) if adapt else config.model_class
    return cls(config, train).eval(), test


def test_our_own_have_the_interface() -> None:
    assert all(adapted(model_class(name)) is model_class(name) for name in own_models())


def test_every_model_that_can_be_run_comes_to_have_all_of_it() -> None:
    for name in available_models():
        cls = adapted(model_class(name))
        assert issubclass(cls, TrainableModel) and issubclass(cls, model_class(name)) and not inspect.isabstract(cls)
        assert cls.__name__ == name and cls is adapted(model_class(name)) and adapted(cls) is cls


@pytest.mark.parametrize("name", ["GRU4Rec", "NPE"])
def test_weights_and_their_names_are_those_of_the_class(name: str, tmp_path: Path) -> None:
    ours, _ = built(tmp_path, name)
    theirs, _ = built(tmp_path, name, adapt=False)
    assert str(ours) == str(theirs) and ours.state_dict().keys() == theirs.state_dict().keys()
    assert all(torch.equal(value, theirs.state_dict()[key]) for key, value in ours.state_dict().items())


@torch.no_grad()
@pytest.mark.parametrize("name", ["SASRec", "CL4SRec", "GRU4Rec", "Caser", "NPE"])
def test_scores_of_blocks_are_those_of_all_items(name: str, tmp_path: Path) -> None:
    model, test = built(tmp_path, name)
    rows = test[torch.arange(20)]
    scores = model.full_sort_predict(rows).view(20, -1)
    scorer = model.scorer(rows[model.ITEM_SEQ], rows[model.ITEM_SEQ_LEN], rows[model.USER_ID])
    for part in (slice(0, 20), slice(3, 9)):
        for items in (slice(0, N_ITEMS + 1), slice(7, 15)):
            block = scorer(part, items)
            torch.testing.assert_close(block, scores[part, items])
            block.zero_()  # free to be written to
            torch.testing.assert_close(scorer(part, items), scores[part, items])


def test_one_stage_one_loss_and_nothing_drawn_by_itself(tmp_path: Path) -> None:
    model, test = built(tmp_path, "GRU4Rec")
    assert model.generator is None and not model.encodes_rows
    assert not (model.batch_hooks or model.pretraining or model.has_next_stage)
    model.start_epoch(0)
    assert model.end_epoch(0) == {}
    batch = test[torch.arange(5)]
    (loss,) = model.named_losses(batch).items()
    assert loss[0] == "loss" and torch.equal(loss[1], model.calculate_loss(batch))


def test_several_losses_are_numbered_and_become_scalars() -> None:
    class Two:
        def calculate_loss(self, interaction: Any) -> tuple[torch.Tensor, torch.Tensor]:
            return torch.tensor([2.0]), torch.tensor(3.0)

    terms = adapted(Two)().named_losses(None)
    assert list(terms) == ["loss0", "loss1"] and [term.shape for term in terms.values()] == [(), ()]
    assert float(sum(terms.values())) == 5
