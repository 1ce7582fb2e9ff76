"""AdaptiveRec on the pairs of DuoRec and CL4SRec: without a threshold it is those methods."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from recbole_cl import run
from recbole_cl.batch import Batch, Prefixes, Rows
from recbole_cl.errors import UsageError
from recbole_cl.testing.toy import TINY, write_cycle
from tests.model.build import build_model, transformer_state
from tests.oracles.load import oracle

# In the first epoch.
NO_THRESHOLD: dict[str, Any] = {
    "similarity_threshold": "last_epoch",
    "objective": "exclude_above",
}
EVERY_CONTRAST = pytest.mark.parametrize("contrast", ["un", "su", "us", "us_x", "augment"])


def batch_of(rows: int = 7, length: int = 10) -> Batch:
    generator = torch.Generator().manual_seed(3)
    item_seq = torch.randint(1, 30, (2, rows, length), generator=generator)
    seq_len = torch.randint(1, length + 1, (2, rows), generator=generator)
    item_seq = item_seq * (torch.arange(length) < seq_len.unsqueeze(-1))
    target = torch.randint(1, 30, (rows,), generator=generator)
    return Batch(item_seq[0], seq_len[0], target, extra={"same_target": Rows(item_seq[1], seq_len[1])})


def sequence_batch() -> Batch:
    """Two anchors in each of seven rows, so that there are fourteen same-target rows."""
    plain, other = batch_of(), batch_of(14)
    next_items = plain.item_seq.roll(-1, dims=1)
    length = torch.stack((plain.seq_len, (plain.seq_len + 1) // 2), dim=1)
    anchors = Prefixes(torch.arange(7).repeat_interleave(2), length.flatten())
    return Batch(plain.item_seq, plain.seq_len, plain.target, next_items, anchors, other.extra)


@pytest.mark.parametrize(("contrast", "weight"), [("un", 0.1), ("su", 0.2), ("us_x", 0.2)])
def test_without_a_threshold_it_meets_the_oracle_of_duorec(contrast: str, weight: float) -> None:
    a3 = oracle("a3_duorec_model_eval")
    settings = NO_THRESHOLD | {"contrast": contrast, "contrastive_weight": weight, "temperature": 0.05}
    model = build_model("AdaptiveRec", 13, 6, hidden_size=8, **settings).eval()
    encoder = {f"encoder.{name}": value for name, value in transformer_state(a3, "w::").items()}
    model.load_state_dict(model.state_dict() | encoder | {"item_embedding.weight": a3["w::item_embedding.weight"]})
    batch = Batch(
        a3["item_seq"], a3["item_len"], a3["pos_items"], extra={"same_target": Rows(a3["sem_aug"], a3["sem_len"])}
    )
    expected = a3[f"{contrast}_cos_tau0.05::loss"]
    torch.testing.assert_close(sum(model.losses(batch).values()), expected, rtol=1e-6, atol=1e-6)


@EVERY_CONTRAST
@pytest.mark.parametrize("batch", [batch_of(), sequence_batch()], ids=["prefix", "sequence"])
def test_without_a_threshold_it_is_the_method_whose_pairs_it_takes(contrast: str, batch: Batch) -> None:
    """Same seed: same weights, same dropout, same views, same losses."""
    settings: dict[str, Any]
    name, settings = ("CL4SRec", {}) if contrast == "augment" else ("DuoRec", {"contrast": contrast})
    dropout: dict[str, Any] = {
        "hidden_dropout_prob": 0.3,
        "attn_dropout_prob": 0.3,
        "similarity": "cosine",
        "temperature": 0.5,
    }
    theirs = build_model(name, **dropout, **settings)
    ours = build_model("AdaptiveRec", **dropout, **NO_THRESHOLD, contrast=contrast)
    assert theirs.batch_hooks == ours.batch_hooks and theirs.has_mask_token == ours.has_mask_token
    expected, found = theirs.losses(batch), ours.losses(batch)
    assert list(expected) == list(found)
    for term, value in expected.items():
        torch.testing.assert_close(found[term], value)


def test_a_learned_threshold_leaves_the_other_initial_weights_as_they_are() -> None:
    theirs, ours = build_model("DuoRec").state_dict(), build_model("AdaptiveRec").state_dict()
    assert all(torch.equal(value, ours[key]) for key, value in theirs.items())
    assert {key for key in ours if key not in theirs and "layers" in key} == {
        f"contrast.network.layers.{layer}.{kind}" for layer in (0, 1) for kind in ("weight", "bias")
    }
    assert ours["contrast.network.layers.0.weight"].std() == pytest.approx(0.02, rel=0.5)


@EVERY_CONTRAST
@pytest.mark.parametrize("network", ["per_row", "flat"])
@pytest.mark.parametrize("batch", [batch_of(), batch_of(1), sequence_batch()], ids=["prefix", "one", "sequence"])
def test_every_pair_takes_every_network(contrast: str, network: str, batch: Batch) -> None:
    form = (
        {"train_form": "prefix"} if batch.anchor_prefixes is None else {"train_form": "sequence", "anchors_per_row": 2}
    )
    settings: dict[str, Any] = {"train_batch_size": 8, "threshold_network": network, "contrast": contrast}
    model = build_model("AdaptiveRec", **settings, **form)
    for epoch in range(2):
        terms = model.losses(batch)
        assert list(terms)[-1] == "threshold" and all(torch.isfinite(term) for term in terms.values())
        figures = model.end_epoch(epoch)
        assert len(batch.anchors.seq_len) == 1 or figures["threshold_spread"] > 0
        assert len(batch.anchors.seq_len) == 1 or (terms["threshold"] > 0) == (epoch > 0)
    sum(terms.values()).backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in model.parameters())


def test_the_thresholds_gradient_reaches_the_encoder() -> None:
    """As in the authors' code: they are made of the representations that predict the next item, not of copies."""
    model, batch = build_model("AdaptiveRec"), batch_of()
    model.losses(batch)
    model.end_epoch(0)
    (gradient,) = torch.autograd.grad(model.losses(batch)["threshold"], model.item_embedding.weight)
    assert gradient[batch.item_seq[0, 0]].abs().sum() > 0


def test_a_flat_network_that_is_too_large_is_refused_in_one_line() -> None:
    with pytest.raises(UsageError, match="545,268,736 parameters for batches of 1024 rows") as caught:
        build_model("AdaptiveRec", hidden_size=64, train_batch_size=1024, threshold_network="flat")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("settings", [{}, {"similarity_threshold": "last_epoch"}, {"comparison": "straight_through"}])
def test_a_run_records_what_the_threshold_did(settings: dict[str, Any], tmp_path: Path) -> None:
    result = run("AdaptiveRec", "cycle", epochs=2, train_batch_size=64, **(TINY | write_cycle(tmp_path) | settings))
    events = EventAccumulator(str(result.run_dir))
    events.Reload()
    names = {tag.removeprefix("diagnostics/") for tag in events.Tags()["scalars"] if tag.startswith("diagnostics/")}
    quantiles = {f"similarity_p{share}" for share in (10, 50, 90, 99)}
    assert names == {
        *("threshold", "threshold_spread", "statistic", "share_above", "alignment", "uniformity"),
        *quantiles,
    }
    (first, second) = (event.value for event in events.Scalars("diagnostics/statistic"))
    stored = torch.load(result.run_dir / "last.pth", weights_only=True)["state_dict"]["contrast.reference"]
    assert first != second and stored == pytest.approx(second, rel=1e-6)
    if settings.get("similarity_threshold") == "last_epoch":
        (used,) = events.Scalars("diagnostics/threshold")  # there is none in the first epoch
        assert used.step == 1 and used.value == pytest.approx(first, rel=1e-5)


def test_bfloat16_trains(tmp_path: Path) -> None:
    result = run("AdaptiveRec", "cycle", epochs=1, enable_amp=True, **(TINY | write_cycle(tmp_path)))
    assert 0 <= result.test["history_kept"]["hit@10"] <= 1
