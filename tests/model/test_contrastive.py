"""What all methods with a contrastive term share: which they are, and what they refuse of a second encoder."""

from __future__ import annotations

from typing import Any

import pytest
from recbole.data.interaction import Interaction

from recbole_cl.config.models import model_class, own_models
from recbole_cl.errors import UsageError
from recbole_cl.model.contrastive import ContrastiveRecommender
from tests.model.build import build_model
from tests.model.contrast.cases import WITHOUT_DATA, a_batch, build, frozen

CAN = [name for name in own_models() if issubclass(model_class(name), ContrastiveRecommender)]


def test_the_methods_that_can_are_found() -> None:
    assert set(own_models()) - set(CAN) == {"SASRec", "BERT4Rec", "ELECRec", "S3Rec_MIP"}


def test_an_encoder_that_is_asked_for_and_missing_is_refused() -> None:
    model = build_model("CL4SRec", complement="gru")
    with pytest.raises(UsageError, match="complement = gru.*complement_with"):
        model.losses(a_batch())


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("CL4SRec", {"contrastive_weight": 0}),
        ("DuoRec", {"supervised_weight": 0}),
        ("DuoRec", {"contrast": "us", "supervised_weight": 0, "unsupervised_weight": 0}),
        ("ECLSR", {"contrastive_weight": 0}),
    ],
)
def test_an_encoder_that_nothing_would_be_compared_with_is_refused(name: str, settings: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="complement = a run: nothing compares with it"):
        build(name, frozen(), **settings)


def test_one_term_of_two_is_enough_for_a_second_encoder() -> None:
    build("DuoRec", frozen(), contrast="us", supervised_weight=0)


def interaction() -> Interaction:
    batch = a_batch()
    return Interaction({"item_id_list": batch.item_seq, "item_length": batch.seq_len, "item_id": batch.target})


def test_a_method_that_compares_its_views_by_itself_is_refused() -> None:
    """It would train as if there were no second encoder."""
    model = build("CL4SRec", frozen())
    model.named_losses(interaction())
    model = build("CL4SRec", frozen())
    model.compare_views = lambda loss, pair: loss(pair.z_a, pair.z_b)
    with pytest.raises(UsageError, match="complement = a run: CL4SRec .* self.compare_views"):
        model.named_losses(interaction())


@pytest.mark.parametrize(
    ("name", "stage", "epoch"), [("CoSeRec", "pretrain_epochs", 2), ("ECLSR", "generator_pretraining_epochs", 1)]
)
def test_an_epoch_without_a_contrastive_term_needs_no_comparison(name: str, stage: str, epoch: int) -> None:
    """The first one of a process, too: a run may be resumed there."""
    model = build(name, frozen(), **{stage: 2}, **WITHOUT_DATA.get(name, {}))
    model.start_epoch(epoch)
    assert "contrastive" not in model.named_losses(interaction())
