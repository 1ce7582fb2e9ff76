"""What the checkpoints hold, that training goes on from them exactly, and from which ones it does not go on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from recbole_cl import load, run, run_seeds
from recbole_cl.errors import UsageError
from recbole_cl.testing.toy import TINY, write_cycle
from recbole_cl.trainer.checkpoint import save_checkpoint
from recbole_cl.trainer.state import Progress, best_state, last_state, load_weights, take_up, trained_on
from tests.trainer.parts import Parts, assemble

BEST_KEYS = {
    *("model", "dataset", "items", "epoch", "cur_step", "best_valid_score", "best_valid_result"),
    *("state_dict", "other_parameter"),
}  # of version 0.1.0, whose runs go on
LAST_KEYS = BEST_KEYS | {"optimizer", "average", "random", "best_epoch", "seconds", "device", "interactions"}
PROGRESS = Progress(3, 1, 0.25, {"hit@10": 0.25}, 2, {"train": 1.5, "evaluate": 0.5})


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Any]:
    return TINY | write_cycle(tmp_path)


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Parts:
    return assemble(tmp_path_factory.mktemp("parts"), "DuoRec")


def last_of(parts: Parts, **other: str) -> dict[str, Any]:
    """A ``last.pth`` of a trainer that has come to ``PROGRESS``."""
    model = parts.trainer.model
    origin = trained_on(other.get("model", "DuoRec"), other.get("dataset", "cycle"), parts.loader, model.device)
    return last_state(origin, PROGRESS, model, parts.trainer.optimizer, parts.loader, parts.trainer._average)


def take_up_in(parts: Parts, state: dict[str, Any], folder: Path) -> Progress:
    """Takes such a state up in another trainer."""
    save_checkpoint(state, folder / "last.pth")
    trainer = parts.trainer
    origin = trained_on("DuoRec", "cycle", parts.loader, trainer.model.device)
    return take_up(
        folder / "last.pth",
        folder / "best.pth",
        origin,
        trainer.model,
        trainer.optimizer,
        parts.loader,
        trainer._average,
    )


@pytest.mark.parametrize(("name", "sources"), [("DuoRec", {"DuoRec", "TrainLoader"}), ("GRU4Rec", {"TrainLoader"})])
def test_checkpoints_hold_what_those_of_version_0_1_0_do(name: str, sources: set[str], tmp_path: Path) -> None:
    sizes = {} if name == "DuoRec" else {"inner_size": None}
    parts = assemble(tmp_path, name, **sizes)
    model = parts.trainer.model
    origin = trained_on(name, "cycle", parts.loader, model.device)
    best = best_state(origin, PROGRESS, model)
    assert set(best) == BEST_KEYS and (best["model"], best["epoch"]) == (name, 3)
    last = last_of(parts, model=name)
    assert set(last) == LAST_KEYS and set(last["random"]) == {"torch", *sources}


def test_all_comes_back_to_where_it_was(tmp_path: Path) -> None:
    first = assemble(tmp_path, "DuoRec")
    for batch in first.loader:
        first.trainer.step(batch)
    torch.rand(3)
    state = last_of(first)
    expected = [torch.rand(4), *(torch.rand(4, generator=it.generator) for it in (first.trainer.model, first.loader))]
    second = assemble(tmp_path, "DuoRec", seed=7)
    assert take_up_in(second, state, tmp_path) == PROGRESS
    drawn = [torch.rand(4), *(torch.rand(4, generator=it.generator) for it in (second.trainer.model, second.loader))]
    assert all(torch.equal(*pair) for pair in zip(drawn, expected, strict=True))
    weights, moments = second.trainer.model.state_dict(), second.trainer.optimizer.state_dict()["state"]
    assert all(torch.equal(value, state["state_dict"][key]) for key, value in weights.items())
    assert moments.keys() == state["optimizer"]["state"].keys() and moments
    for key, moment in moments.items():
        assert all(torch.equal(value, state["optimizer"]["state"][key][name]) for name, value in moment.items())


def test_a_best_that_is_newer_than_the_rest_has_its_own_score(parts: Parts, tmp_path: Path) -> None:
    """As after a death between the writing of best.pth and of last.pth."""
    model = parts.trainer.model
    origin = trained_on("DuoRec", "cycle", parts.loader, model.device)
    for epoch, newest in ((PROGRESS.epoch + 1, True), (PROGRESS.epoch, False)):
        better = replace(PROGRESS, epoch=epoch, best_valid_score=0.9, best_valid_result={"ndcg@10": 0.9})
        save_checkpoint(best_state(origin, better, model), tmp_path / "best.pth")
        expected = replace(better, epoch=PROGRESS.epoch, best_epoch=epoch) if newest else PROGRESS
        assert take_up_in(parts, last_of(parts), tmp_path) == expected


def test_weights_are_loaded_with_what_belongs_to_them_and_nothing_else(tmp_path: Path) -> None:
    first, second = assemble(tmp_path, "DuoRec"), assemble(tmp_path, "DuoRec", seed=7)
    model: Any = second.trainer.model
    state = last_of(first) | {"other_parameter": {"threshold": 0.5}}
    with pytest.raises(UsageError, match="sets ..threshold.., which its model does not declare"):
        load_weights(state, model, tmp_path / "best.pth")
    model.threshold, model.other_parameter_name = 0.0, ["threshold"]
    load_weights(state, model, tmp_path / "best.pth")
    assert all(torch.equal(value, state["state_dict"][key]) for key, value in model.state_dict().items())
    assert model.threshold == 0.5


@pytest.mark.parametrize("name", sorted(LAST_KEYS - {"average", "device", "interactions", "other_parameter"}))
@pytest.mark.parametrize("change", ["missing", "text"])
def test_what_lacks_an_entry_or_has_another_in_its_place_is_refused(name: str, change: str, parts: Parts) -> None:
    state = last_of(parts)
    state = {key: value for key, value in state.items() if key != name} if change == "missing" else state | {name: "x"}
    with pytest.raises(UsageError, match="last.pth") as error:
        take_up_in(parts, state, parts.trainer.last.parent)
    assert "\n" not in str(error.value)


def test_early_checkpoints_that_know_neither_device_nor_interactions_go_on(tmp_path: Path) -> None:
    state = last_of(assemble(tmp_path, "DuoRec"))
    early = {key: value for key, value in state.items() if key not in ("device", "interactions")}
    assert take_up_in(assemble(tmp_path, "DuoRec"), early, tmp_path) == PROGRESS


@pytest.mark.parametrize(
    ("other", "words"), [({"model": "CL4SRec"}, "of model CL4SRec"), ({"dataset": "yelp"}, "of dataset yelp")]
)
def test_another_models_and_another_datasets_are_refused(other: dict[str, str], words: str, tmp_path: Path) -> None:
    parts = assemble(tmp_path, "DuoRec")
    before = {key: value.clone() for key, value in parts.trainer.model.state_dict().items()}
    state = last_of(assemble(tmp_path, "DuoRec", seed=7), **other)
    with pytest.raises(UsageError, match=words):
        take_up_in(parts, state, tmp_path)
    assert all(torch.equal(value, before[key]) for key, value in parts.trainer.model.state_dict().items())


def test_other_items_and_other_devices_are_refused(settings: dict[str, Any]) -> None:
    folder = run("SASRec", "cycle", epochs=1, **settings).run_dir
    original = torch.load(folder / "last.pth", weights_only=True)
    torch.save(original | {"device": "cuda"}, folder / "last.pth")
    with pytest.raises(UsageError, match="written on cuda"):
        run(resume=str(folder), epochs=2)
    torch.save(original, folder / "last.pth")
    data = Path(settings["data_path"]) / "cycle" / "cycle.inter"
    data.write_text(data.read_text().replace("\ti0\t", "\tz0\t"))
    with pytest.raises(UsageError, match="other items than cycle has now"):
        run(resume=str(folder), epochs=2)
    with pytest.raises(UsageError, match="other items than cycle has now"):
        load(folder)


def test_a_run_does_not_go_on_with_other_interactions(settings: dict[str, Any]) -> None:
    folder = run("SASRec", "cycle", epochs=1, **settings).run_dir
    file = Path(settings["data_path"]) / "cycle" / "cycle.inter"
    head, first, *rows = file.read_text().splitlines()
    user, item, time = first.split("\t")
    file.write_text("\n".join([head, first, *rows, f"{user}\t{item}\t{float(time) + 1000}"]) + "\n")
    with pytest.raises(UsageError, match="other interactions than cycle has now"):
        run(resume=str(folder), epochs=2)


def test_other_sizes_than_the_resumed_runs_are_refused(settings: dict[str, Any]) -> None:
    folder = run("SASRec", "cycle", epochs=1, **settings).run_dir
    before = (folder / "config.yaml").read_text()
    with pytest.raises(UsageError, match="does not fit"):
        run("SASRec", "cycle", resume=str(folder), epochs=2, **(settings | {"hidden_size": 32}))
    assert (folder / "config.yaml").read_text() == before
    with pytest.raises(UsageError, match="resume"):
        run_seeds("SASRec", "cycle", [1, 2], resume=str(folder), **settings)


def test_a_resumed_run_takes_another_learning_rate(settings: dict[str, Any]) -> None:
    folder = run("SASRec", "cycle", epochs=1, **settings).run_dir
    run(resume=str(folder), epochs=2, learning_rate=1e-4, weight_decay=1e-5)
    (group,) = torch.load(folder / "last.pth", weights_only=True)["optimizer"]["param_groups"]
    assert (group["lr"], group["weight_decay"]) == (1e-4, 1e-5)
