"""S3Rec_MIP against the authors' numbers, and its two stages."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from recbole_cl import run
from recbole_cl.batch import Batch, Rows
from recbole_cl.config.config import Config
from recbole_cl.errors import UsageError
from recbole_cl.runs.build import build_data
from recbole_cl.runs.build import build_model as build_whole_model
from recbole_cl.runs.pretrained import begin_pretrained
from recbole_cl.testing.toy import SMALL, write_cycle
from recbole_cl.trainer.trainer import Trainer
from tests.model.build import build_model, from_left_padded, s3rec_state
from tests.oracles.load import oracle
from tests.trainer.parts import assemble


def authors_model(g6: dict[str, Tensor]) -> Any:
    weights = {key[3:]: value for key, value in g6.items() if key.startswith("w::")}
    sizes = {"hidden_size": 8, "inner_size": 32, "n_items": 13, "max_length": 6}
    model = build_model("S3Rec_MIP", **sizes).eval()
    state = {f"encoder.{name}": value for name, value in s3rec_state(weights).items()}
    state |= {f"item_comparison.{kind}": weights[f"mip_norm.{kind}"] for kind in ("weight", "bias")}
    model.load_state_dict(state | {"item_embedding.weight": weights["item_embeddings.weight"]})
    return model


@pytest.mark.parametrize("grouped", [True, False])
def test_pre_training_is_the_authors(grouped: bool) -> None:
    """Their sum over masked items is this mean times their number."""
    g6 = oracle("g6_s3rec_mip_float64")
    model = authors_model(g6)
    model.group_by_length = grouped
    item_seq, seq_len = from_left_padded(g6["pos"])
    given, _ = from_left_padded(g6["masked"])
    negatives, _ = from_left_padded(g6["neg"])
    masked = given == g6["mask_id"]
    loss = model.predict_masked(Rows(item_seq, seq_len), masked, negatives) * masked.sum()
    torch.testing.assert_close(loss, g6["mip_loss"], rtol=1e-6, atol=1e-6)
    loss.backward()
    for ours, theirs in (
        (model.item_embedding.weight.grad[1:], g6["mip_grad_item_embeddings"][1:]),
        (model.item_comparison.weight.grad, g6["mip_grad_mip_norm"]),
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-6)


def test_fine_tuning_encodes_as_the_authors_do() -> None:
    g6 = oracle("g6_s3rec_mip_float64")
    (hidden,) = authors_model(g6).encode(Rows(*from_left_padded(g6["pos"]), "items"))
    torch.testing.assert_close(hidden, g6["finetune_output"][g6["pos"] > 0], rtol=1e-6, atol=1e-6)


def test_the_first_stage_masks_the_last_item_of_prefixes_with_their_targets() -> None:
    seen: list[tuple[Tensor, Tensor, Tensor]] = []
    model = build_model("S3Rec_MIP", train_form="prefix", n_items=100)
    model.predict_masked = lambda rows, masked, negatives: seen.append((rows.item_seq, masked, negatives))
    batch = Batch(torch.tensor([[3, 4, 5, 6], [7, 0, 0, 0]]), torch.tensor([4, 1]), torch.tensor([8, 9]))
    for _ in range(50):
        model.losses(batch)
    assert seen[0][0].tolist() == [[3, 4, 5, 6, 8], [7, 9, 0, 0, 0]]
    masked = torch.stack([it[1] for it in seen])
    assert bool(masked[:, 0, 4].all() and masked[:, 1, 1].all()) and not bool(masked[:, 1, 2:].any())
    assert 0.1 < float(masked[:, 0, :4].double().mean()) < 0.3
    assert not any(bool(torch.isin(negatives[0], rows[0]).any()) for rows, _, negatives in seen)


@pytest.mark.parametrize("form", ["prefix", "sequence"])
def test_two_stages_in_one_run(form: str, tmp_path: Path) -> None:
    settings = SMALL | write_cycle(tmp_path) | {"train_form": form, "pretrain_epochs": 2}
    whole = run("S3Rec_MIP", "cycle", **settings, epochs=3)
    assert whole.best_epoch == 2
    log = (whole.run_dir / "log.txt").read_text(encoding="utf-8")
    terms = re.findall(r"epoch \d training.*?(masked_item|recommendation)", log)
    assert terms == ["masked_item", "masked_item", "recommendation"]
    given = settings | {"pretrain_epochs": 0, "pretrained": str(whole.run_dir)}
    again = run("S3Rec_MIP", "cycle", **given, epochs=1)
    log = (again.run_dir / "log.txt").read_text(encoding="utf-8")
    assert re.findall(r"epoch \d training.*?(masked_item|recommendation)", log) == ["recommendation"]
    first = torch.load(whole.run_dir / "pretrained.pth", weights_only=True)
    config = Config("S3Rec_MIP", "cycle", config_dict=given)
    train = build_data(config)[1][0]
    model = build_whole_model(config, train)
    begin_pretrained(config, model, train)
    assert all(torch.equal(value, first["state_dict"][key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize("interrupted_after", [2, 3])
def test_the_second_stage_begins_with_a_new_optimiser_and_a_resumed_one_does_not(
    interrupted_after: int, tmp_path: Path
) -> None:
    def stop_before(epoch: int) -> None:
        if epoch == interrupted_after:
            raise KeyboardInterrupt

    settings: dict[str, Any] = {"pretrain_epochs": 2, "epochs": 4, "eval_step": 1}
    whole, half, resumed = (assemble(tmp_path / name, "S3Rec_MIP", **settings) for name in ("whole", "half", "half"))
    whole.trainer.fit(whole.loader, whole.valid)
    half.trainer._before_epoch = stop_before
    with pytest.raises(KeyboardInterrupt):
        half.trainer.fit(half.loader, half.valid)
    resumed.trainer.resume(resumed.loader)
    resumed.trainer.fit(resumed.loader, resumed.valid)
    for parts in (whole, resumed):
        assert steps_of(parts.trainer) == {2 * len(whole.loader)}  # the two epochs of the second stage
    for name, value in whole.trainer.model.state_dict().items():
        assert torch.equal(value, resumed.trainer.model.state_dict()[name]), name


def steps_of(trainer: Trainer) -> set[int]:
    return {int(state["step"]) for state in trainer.optimizer.state.values()}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"pretrained": "nowhere", "pretrain_epochs": 0}, "pretrained = nowhere: there is no nowhere/pretrained.pth"),
        ({"pretrained": "nowhere", "pretrain_epochs": 2}, "pretrained = nowhere: .* set pretrain_epochs to 0"),
    ],
)
def test_what_was_not_pre_trained_is_refused(settings: dict[str, Any], expected: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=expected):
        run("S3Rec_MIP", "cycle", **(SMALL | write_cycle(tmp_path) | settings), epochs=3)


def test_a_first_stage_without_a_second_is_refused() -> None:
    with pytest.raises(UsageError, match="pretrain_epochs = 5: expected fewer than epochs = 5"):
        build_model("S3Rec_MIP", pretrain_epochs=5, epochs=5, eval_step=1)


def test_rows_that_may_hold_every_item_are_refused() -> None:
    with pytest.raises(UsageError, match="pretrain_epochs = 5: a row of 10 may leave none of 10 items"):
        build_model("S3Rec_MIP", n_items=11, pretrain_epochs=5, epochs=10, recommendation_loss="ce")
    build_model("S3Rec_MIP", n_items=12, pretrain_epochs=5, epochs=10, recommendation_loss="ce")
