"""The view of the anchors as they are: what encoding each prefix by itself gives, in both forms, from both ends."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from recbole_cl.batch import Batch, Prefixes, Rows
from tests.model.build import build_model

BOTH_ENDS = pytest.mark.parametrize("right_aligned", [False, True])
BOTH_FORMS = pytest.mark.parametrize("form", ["prefix", "sequence"])
CLOSE: dict[str, Any] = {"rtol": 1e-10, "atol": 1e-10}


def batch_of(form: str) -> Batch:
    """Seven rows; in the sequence form with eight anchors, of which one row has several and another none."""
    generator = torch.Generator().manual_seed(3)
    item_seq = torch.randint(1, 30, (7, 10), generator=generator)
    seq_len = torch.tensor([10, 3, 1, 7, 4, 9, 2])
    item_seq = item_seq * (torch.arange(10) < seq_len.unsqueeze(-1))
    prefixes = Prefixes(torch.tensor([0, 0, 1, 2, 3, 5, 5, 6]), torch.tensor([4, 10, 1, 1, 6, 2, 9, 1]))
    n_anchors = 7 if form == "prefix" else 8
    other = torch.randint(1, 30, (n_anchors, 10), generator=generator)
    extra = {"same_target": Rows(other, torch.full((n_anchors,), 10))}
    target = torch.randint(1, 30, (7,), generator=generator)
    if form == "prefix":
        return Batch(item_seq, seq_len, target, extra=extra)
    return Batch(item_seq, seq_len, target, item_seq.roll(-1, dims=1), prefixes, extra)


@pytest.mark.parametrize("encoder", ["transformer", "gru"])
@BOTH_ENDS
@BOTH_FORMS
def test_it_is_the_prefixes_own_encoding(form: str, right_aligned: bool, encoder: str) -> None:
    batch = batch_of(form)
    model = build_model("DuoRec", train_form=form, right_aligned=right_aligned, encoder=encoder)
    hidden, views = model.encode_views(batch, {"other": batch.rows("same_target"), "plain": batch.anchors})
    assert set(views) == {"other", "plain"}
    torch.testing.assert_close(hidden, model.encode(batch.supervised)[0], **CLOSE)
    torch.testing.assert_close(views["other"], model.encode(batch.rows("same_target"))[0], **CLOSE)
    items, lengths = batch.anchors.item_seq, batch.anchors.seq_len
    alone = [model.encode(Rows(row[:n].unsqueeze(0), n.unsqueeze(0)))[0] for row, n in zip(items, lengths, strict=True)]
    torch.testing.assert_close(views["plain"], torch.cat(alone), **CLOSE)


@pytest.mark.parametrize(
    ("settings", "encoded"),
    [({}, 1), ({"right_aligned": True}, 2), ({"right_aligned": True, "encoder": "gru"}, 1)]
    + [({"right_aligned": True, "anchors_per_row": 0}, 1)],
)
def test_anchors_are_encoded_only_where_they_must_be(settings: dict[str, Any], encoded: int) -> None:
    model, batch = build_model("DuoRec", **settings), batch_of("sequence")
    seen: list[int] = []
    encode = model.encode

    def counted(*rows: Any) -> Any:
        seen.append(len(rows))
        return encode(*rows)

    model.encode = counted
    model.encode_views(batch, {"plain": batch.anchors})
    model.encode_views(batch, {})
    assert seen == [encoded, 1]


@pytest.mark.parametrize("name", ["DuoRec", "AdaptiveRec"])
@BOTH_ENDS
@BOTH_FORMS
def test_without_dropout_two_encodings_of_an_anchor_are_the_same(form: str, right_aligned: bool, name: str) -> None:
    model = build_model(name, train_form=form, right_aligned=right_aligned, contrast="un")
    model.losses(batch_of(form))
    assert model.end_epoch(0)["alignment"] == pytest.approx(0, abs=1e-10)


@pytest.mark.parametrize("contrast", ["un", "su", "us", "us_x", "augment"])
@BOTH_ENDS
@BOTH_FORMS
def test_thresholds_are_learned_from_it(form: str, right_aligned: bool, contrast: str) -> None:
    batch = batch_of(form)
    model = build_model("AdaptiveRec", train_form=form, right_aligned=right_aligned, contrast=contrast)
    expected = model.contrast.learned(model.encode(batch.anchors)[0])
    model.losses(batch)
    figures = model.end_epoch(0)
    assert figures["threshold"] == pytest.approx(expected.mean().item(), rel=1e-5)
    assert figures["threshold_spread"] == pytest.approx(expected.std(correction=0).item(), rel=0.05)
