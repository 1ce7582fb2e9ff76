"""Encoder complementing: both forms by their formulas, in every method that can, by a second encoder that is frozen."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from recbole_cl.batch import Batch, Rows
from recbole_cl.config.models import model_class, own_models
from recbole_cl.errors import UsageError
from recbole_cl.loss.info_nce import info_nce
from recbole_cl.loss.invariance import invariance_loss
from recbole_cl.model.contrast.complement import FrozenEncoder
from recbole_cl.model.contrast.pairs import ViewPair
from recbole_cl.model.contrast.pooling import pool, rows_to_pool
from recbole_cl.model.contrastive import ContrastiveRecommender
from tests.model.build import build_model
from tests.model.contrast.cases import WITHOUT_DATA, a_batch, build, frozen

CAN = [name for name in own_models() if issubclass(model_class(name), ContrastiveRecommender)]
CAN = [name for name in CAN if name not in ("ICLRec", "ICSRec")]  # which need training rows to cluster


def with_same_target(batch: Batch) -> Batch:
    order = torch.arange(len(batch.target)).flip(0)
    same_target = Rows(batch.item_seq[order], batch.seq_len[order])
    return Batch(batch.item_seq, batch.seq_len, batch.target, extra={"same_target": same_target})


FORMS = [(name, form) for name in CAN for form in ("add", "loss") if (name, form) != ("AdaptiveRec", "loss")]


@pytest.mark.parametrize(("name", "form"), FORMS)
def test_complements_the_contrastive_term_alone(name: str, form: str) -> None:
    batch = with_same_target(a_batch())
    plain, complemented = (
        build(name, complement, complement_form=form, **WITHOUT_DATA.get(name, {})).losses(batch)
        for complement in (None, frozen())
    )
    assert torch.equal(plain["recommendation"], complemented["recommendation"])
    changed = {key for key, value in plain.items() if not torch.allclose(value, complemented[key])}
    others = {"recommendation", "threshold", "replaced_item", "generator", "meta"}  # know no views, or none of these
    assert changed == set(plain) - others


@pytest.mark.parametrize("form", ["add", "loss"])
@pytest.mark.parametrize("padding", [True, False])
def test_ecl_sr_is_complemented_by_windows_of_the_same_size(padding: bool, form: str) -> None:
    batch, second = a_batch(), frozen(hidden_dropout_prob=0)
    settings = {"window_size": 2, "replaced_item_weight": 0, "contrastive_weight": 1.0, "temperature": 0.5}
    model = build("ECLSR", second, complement_form=form, right_aligned=True, count_padding_states=padding, **settings)
    length = torch.full_like(batch.seq_len, batch.item_seq.shape[1]) if padding else batch.seq_len
    rows = Rows(batch.item_seq, batch.seq_len, "columns" if padding else "items")
    z, of_second = (
        torch.stack([row[-2:].mean(0) for row in it.encode(rows)[0].split(length.tolist())])
        for it in (model, second.eval())
    )
    loss = partial(invariance_loss, temperature=0.5)
    expected = {
        "add": loss(z, z + 0.1 * of_second),
        "loss": loss(z, z) + 0.1 * (loss(z, of_second) + loss(z, of_second)),
    }
    torch.testing.assert_close(model.losses(batch)["contrastive"], expected[form])


@pytest.mark.parametrize("pooling", ["concat", "last", "mean"])
@pytest.mark.parametrize("encoder", ["transformer", "gru"])
def test_both_forms_are_their_formulas(encoder: str, pooling: str) -> None:
    batch = a_batch()
    second = frozen(encoder=encoder, right_aligned=True)
    loss = partial(info_nce, temperature=0.5, similarity="cosine")
    other = Batch(*shuffled(batch)).anchors
    masked = Rows(
        other.item_seq.masked_fill(torch.arange(10) == 1, 0), other.seq_len
    )  # each row's second item is padding
    rows_a, rows_b = rows_to_pool(batch.anchors, pooling), rows_to_pool(masked, pooling, holes=True)
    z_a, z_b = torch.randn(2, *pool(second.encode(rows_a)[0], rows_a, pooling).shape).double()
    second.eval()
    of_a, of_b = (pool(second.encode(rows)[0], rows, pooling) for rows in (rows_a, rows_b))
    expected = {
        "add": loss(z_a, z_b + 0.3 * of_b),
        "loss": loss(z_a, z_b) + 0.3 * loss(z_a, of_a) + 0.3 * loss(z_b, of_a),
    }
    represent = partial(pool, pooling=pooling)
    for form, value in expected.items():
        model = build("SRMA", second, complement_form=form, complement_weight=0.3)
        torch.testing.assert_close(model.compare_views(loss, ViewPair(z_a, z_b, rows_b, rows_a, represent)), value)


def shuffled(batch: Batch) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    order = torch.randperm(len(batch.target), generator=torch.Generator().manual_seed(9))
    return batch.item_seq[order], batch.seq_len[order], batch.target


@pytest.mark.parametrize("form", ["add", "loss"])
def test_the_second_encoder_is_frozen_and_no_part_of_the_model(form: str) -> None:
    second = frozen()
    model = build("SRMA", second, complement_form=form, hidden_dropout_prob=0.5).train()
    rows = a_batch().anchors
    encoder = FrozenEncoder(second.train(), may_mask=False)
    assert not second.training and torch.equal(*(encoder(rows) for _ in range(2)))
    assert not encoder(rows).requires_grad
    before = {key: value.clone() for key, value in second.state_dict().items()}
    optimizer = torch.optim.Adam(model.parameters(), weight_decay=0.1)
    sum(model.losses(a_batch()).values()).backward()
    optimizer.step()
    assert all(parameter.grad is None for parameter in second.parameters())
    assert all(torch.equal(before[key], value) for key, value in second.state_dict().items())
    assert model.state_dict().keys() == build("SRMA").state_dict().keys()


@pytest.mark.parametrize("has_token", [True, False])
def test_a_mask_token_that_the_second_encoder_lacks_is_padding_to_it(has_token: bool) -> None:
    second = build_model("CL4SRec", seed=5) if has_token else frozen()
    encoder = FrozenEncoder(second, may_mask=True)
    masked = Rows(torch.tensor([[4, second.mask_id, 6, 0]]), torch.tensor([3]))
    known = masked if has_token else Rows(torch.tensor([[4, 0, 6, 0]]), torch.tensor([3]), holes=True)
    torch.testing.assert_close(encoder(encoder.readable(masked)), second.encode(known)[0])


def test_a_mean_leaves_out_what_the_second_encoder_can_not_read() -> None:
    second = frozen()
    model = build("CoSeRec", second, mask_fill="token", pooling="mean", correlation="memory")
    items = torch.tensor([[4, 5, 6, 0], [7, 8, 9, 3]])
    view = rows_to_pool(Rows(items.masked_fill(items == 5, model.mask_id), torch.tensor([3, 4])), "mean")
    known = rows_to_pool(Rows(items.masked_fill(items == 5, 0), torch.tensor([3, 4])), "mean", True)
    added: list[Tensor] = []
    zero = torch.zeros(2, 16).double()
    pair = ViewPair(zero, zero, view, view, partial(pool, pooling="mean"))

    def noted(a: Tensor, b: Tensor) -> Tensor:
        added.append(b)
        return b.sum()

    model.compare_views(noted, pair)
    expected = model.options.complement_weight * pool(second.encode(known)[0], known, "mean")
    torch.testing.assert_close(added[0], expected)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"hidden_size": 8}, ["hidden_size is 8", "16"]),
        ({"n_items": 20}, ["number of items is 19", "29"]),
        ({"max_length": 7}, ["MAX_ITEM_LIST_LENGTH is 7", "10"]),
    ],
)
def test_an_encoder_of_another_shape_is_refused(settings: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(UsageError) as error:
        build("DuoRec", frozen(**settings))
    assert all(word in str(error.value) for word in words)


def test_an_encoder_that_counts_from_the_other_end_is_refused_where_columns_are_compared() -> None:
    with pytest.raises(UsageError, match="counts positions from the oldest item"):
        build("SRMA", frozen(right_aligned=False))
    with pytest.raises(UsageError, match="counts positions from the oldest item"):
        build("ECLSR", frozen(right_aligned=False), count_padding_states=True, right_aligned=True)
    build("SRMA", frozen(right_aligned=False), pooling="last")


def test_the_thresholds_statistic_knows_no_frozen_encoder() -> None:
    with pytest.raises(UsageError, match="complement_form = loss"):
        build("AdaptiveRec", frozen(), complement_form="loss")
