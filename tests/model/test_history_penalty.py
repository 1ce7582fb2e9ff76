"""The penalty on a row's items: in the loss, in every way to score, and where it is refused."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from recbole_cl.batch import Batch
from recbole_cl.config.models import model_class
from recbole_cl.errors import UsageError
from recbole_cl.model.history_penalty import distinct_items
from recbole_cl.serving.scorer import scorer_of
from tests.model.build import build_model
from tests.model.test_contract import assemble
from tests.model.test_recommendation import rows

N = 8
BOTH_FORMS = pytest.mark.parametrize("form", ["prefix", "sequence"])


def penalised(**settings: Any) -> Any:
    model = build_model("SASRec", N, 3, history_penalty=True, **settings)
    torch.nn.init.normal_(model.history_penalty.penalty.weight, generator=torch.Generator().manual_seed(1))
    return model


def expected_scores(model: Any, hidden: Tensor, histories: list[set[int]]) -> Tensor:
    """One product per item, and the penalty subtracted item by item."""
    scores = hidden @ model.item_table.T
    penalty = hidden @ model.history_penalty.penalty.weight[0] + model.history_penalty.penalty.bias
    lowered = torch.tensor([[float(item in history) for item in range(N)] for history in histories]).double()
    return scores - penalty.unsqueeze(1) * lowered


def histories(form: str) -> list[set[int]]:
    """What ``rows`` hold before each of their targets."""
    return [{3, 5}, {1, 4}, {7}] if form == "prefix" else [{3}, {3, 5}, {1}, {1}, {1, 4}, {7}]


@BOTH_FORMS
def test_the_loss_and_its_gradients_are_those_of_lowered_scores(form: str) -> None:
    model, batch = penalised(), rows(form)
    (hidden,) = model.encode(batch.supervised)
    scores = expected_scores(model, hidden, histories(form))
    plain = functional.cross_entropy(scores, batch.supervised_target)
    plain.backward()
    expected = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    assert expected["history_penalty.penalty.weight"].abs().sum() > 0
    model.zero_grad()
    loss = model.losses(batch)["recommendation"]
    torch.testing.assert_close(loss, plain)
    loss.backward()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.grad, expected[name])


def test_every_way_to_score_agrees() -> None:
    model, batch = penalised().eval(), rows("prefix")
    with torch.no_grad():
        hidden = model(batch.item_seq, batch.seq_len)
        expected = expected_scores(model, hidden, histories("prefix"))
        scorer = model.scorer(batch.item_seq, batch.seq_len, torch.arange(3))
        blocks = [scorer(slice(0, 3), slice(first, min(first + 3, N))) for first in range(0, N, 3)]
        torch.testing.assert_close(torch.cat(blocks, dim=1), expected)
        torch.testing.assert_close(scorer(slice(1, 2), slice(1, N)), expected[1:2, 1:])
        interaction = {"item_id_list": batch.item_seq, "item_length": batch.seq_len}
        torch.testing.assert_close(model.full_sort_predict(interaction), expected)
        for item in range(1, N):
            of_item = model.predict(interaction | {"item_id": torch.full((3,), item)})
            torch.testing.assert_close(of_item, expected[:, item])


def test_a_row_item_counts_once() -> None:
    items = torch.tensor([[5, 3, 5, 5, 3, 0], [2, 0, 2, 1, 0, 0]])
    assert distinct_items(items, N).tolist() == [[5, 3, N, N, N, N], [2, N, N, 1, N, N]]


def test_it_learns_that_nobody_repeats() -> None:
    """Where a target is any item except those of its row, these end below all others."""
    generator = torch.Generator().manual_seed(0)
    item_seq, target = torch.stack([torch.randperm(N - 1, generator=generator) + 1 for _ in range(256)]).split(
        (3, N - 4), dim=1
    )
    batch = Batch(item_seq, torch.full((256,), 3), target[:, 0])
    model = penalised()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.03)
    for _ in range(150):
        optimizer.zero_grad()
        model.losses(batch)["recommendation"].backward()
        optimizer.step()
    with torch.no_grad():
        scores = model.eval().full_sort_predict({"item_id_list": item_seq, "item_length": batch.seq_len})[:, 1:]
    inside = torch.zeros_like(scores, dtype=torch.bool).scatter_(1, item_seq - 1, True)
    below = scores.masked_fill(~inside, -torch.inf).amax(1) < scores.masked_fill(inside, torch.inf).amin(1)
    assert below.double().mean() > 0.98


def test_elecrec_ranks_by_other_states() -> None:
    with pytest.raises(UsageError, match="history_penalty = True: ELECRec .* set it to False"):
        build_model("ELECRec", N, 3, history_penalty=True)


@pytest.mark.parametrize(
    "settings",
    [{"recommendation_loss": "ce"}, {"recommendation_loss": "bce"}, {"label_smoothing": 0.1}],
)
def test_losses_that_would_ignore_it_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"history_penalty = True: (recommendation_loss|label_smoothing) = .*set"):
        penalised(**settings)


def test_a_method_with_scores_of_its_own_is_refused() -> None:
    with pytest.raises(UsageError, match="BERT4Rec has its own predict, without it; set it to False"):
        build_model("BERT4Rec", N, 3, history_penalty=True)


def test_a_loss_without_its_batch_is_refused() -> None:
    with pytest.raises(UsageError, match="SASRec does not pass its batch to recommendation_loss; set it to False"):
        penalised().recommendation_loss(torch.zeros(2, 16).double(), torch.tensor([1, 2]))


def test_padding_has_no_history() -> None:
    counted = {"count_padding_targets": True, "train_form": "sequence", "right_aligned": True}
    with pytest.raises(UsageError, match="padding has no history; set history_penalty to False"):
        build_model("ECLSR", N, 3, history_penalty=True, **counted)


@BOTH_FORMS
def test_the_loader_s_batches_give_the_same_histories(form: str, tmp_path: Path) -> None:
    """They name the places of their targets."""
    _, model, loader = assemble(model_class("SASRec"), tmp_path, history_penalty=True, train_form=form)
    batch = model._read(next(iter(loader)))
    assert (batch.target_place is not None) == (form == "sequence")
    given = model.history_penalty.histories(batch, len(batch.supervised_target))
    unplaced = dataclasses.replace(batch, target_place=None)
    assert torch.equal(given, model.history_penalty.histories(unplaced, len(given)))


def test_bfloat16_gives_finite_gradients() -> None:
    model, batch = penalised().float(), rows("sequence")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = model.losses(batch)["recommendation"]
    loss.backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in model.parameters())


def test_states_of_other_targets_are_refused() -> None:
    model = penalised()
    with pytest.raises(UsageError, match="the states of 2 targets are not those of the batch's 6"):
        model.recommendation_loss(torch.zeros(2, 16).double(), torch.tensor([1, 2]), rows("sequence"))


def test_only_an_onnx_export_can_hold_it() -> None:
    with pytest.raises(UsageError, match="--format onnx"):
        scorer_of(penalised().eval())
