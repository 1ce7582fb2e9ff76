"""The complementary encoder of a run: trained first, given, refused, and carried by the run folder."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from recbole_cl import load, run
from recbole_cl.errors import UsageError
from recbole_cl.testing.toy import TINY, write_cycle
from tests.watching import interrupted_at, watching

pytestmark = pytest.mark.slow  # each trains two models and more

SHORT = {"epochs": 1, "complement_epochs": 2}


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Any]:
    return TINY | SHORT | write_cycle(tmp_path)


@pytest.fixture
def trained() -> Iterator[list[str]]:
    """What is trained, in order: a complement, or a run's own model."""
    names: list[str] = []
    first = False

    def see(message: str) -> None:
        nonlocal first
        if message.startswith("complementary encoder"):
            first = True
        elif " training rows (" in message:
            names.append("complement" if first else "run")
            first = False

    with watching(see):
        yield names


def weights(folder: Path, name: str = "best.pth") -> dict[str, torch.Tensor]:
    return dict(torch.load(folder / name, weights_only=True)["state_dict"])


def equal(one: Path, other: Path, name: str = "best.pth") -> bool:
    a, b = weights(one, name), weights(other, name)
    return a.keys() == b.keys() and all(torch.equal(value, b[key]) for key, value in a.items())


def swap_two_items(settings: dict[str, Any]) -> None:
    """The last two items of one user change places."""
    file = Path(settings["data_path"]) / "cycle" / "cycle.inter"
    lines = file.read_text().splitlines()
    lines[3], lines[4] = (line.rsplit("\t", 1)[0] + f"\t{time}" for line, time in zip(lines[3:5], (3, 2), strict=True))
    file.write_text("\n".join(lines) + "\n")


def swap_held_out_items(settings: dict[str, Any]) -> None:
    """The validation and the test item of every user change places."""
    file = Path(settings["data_path"]) / "cycle" / "cycle.inter"
    header, *lines = file.read_text().splitlines()
    of_user: dict[str, list[list[str]]] = {}
    for line in lines:
        of_user.setdefault(line.split("\t")[0], []).append(line.split("\t"))
    for *_, valid, test in of_user.values():
        valid[2], test[2] = test[2], valid[2]
    file.write_text("\n".join([header, *("\t".join(line) for rows in of_user.values() for line in rows)]) + "\n")


@pytest.mark.parametrize(("kind", "part"), [("gru", "recurrence"), ("transformer", "layers.0.")])
def test_is_trained_first_and_stored(kind: str, part: str, settings: dict[str, Any], trained: list[str]) -> None:
    folder = run("SRMA", "cycle", complement=kind, **settings).run_dir
    assert trained == ["complement", "run"]
    second = load(folder / "complement")
    assert second.config["epochs"] == 2 and second.config["recommendation_loss"] == "bce"
    names = [name for name, _ in second.model.encoder.named_parameters()]
    assert any(part in name for name in names) and not any("layers.1." in name for name in names)
    assert json.loads((folder / "complement" / "result.json").read_text())["epochs_run"] == 2
    assert not any("complement" in key for key in weights(folder))


def test_one_that_was_trained_for_a_method_serves_another(settings: dict[str, Any], trained: list[str]) -> None:
    shared = {"train_form": "sequence", "recommendation_loss": "bce", "right_aligned": True, "hidden_dropout_prob": 0.3}
    shared |= {"attn_dropout_prob": 0.1, "exclude_row_items": False, "valid_metric": "NDCG@20", "stopping_step": 5}
    shared |= {"eval_history": "remove", "anchors_per_row": 1}
    first = run("CL4SRec", "cycle", complement="gru", **(settings | shared))
    assert trained == ["complement", "run"]
    given = {"complement": str(first.run_dir / "complement"), "pooling": "last"}
    second = run("SRMA", "cycle", **(settings | shared | given))
    assert trained == ["complement", "run", "run"]
    assert equal(first.run_dir / "complement", second.run_dir / "complement")


def test_another_runs_encoder_is_used_again_where_its_folder_is_named(
    settings: dict[str, Any], trained: list[str]
) -> None:
    first = run("SRMA", "cycle", complement="gru", **settings)
    anew = run("SRMA", "cycle", complement="gru", **settings)
    assert trained == ["complement", "run"] * 2 and anew.test == first.test  # nothing is looked for
    assert equal(first.run_dir / "complement", anew.run_dir / "complement")
    again = run("SRMA", "cycle", **(settings | {"complement": str(first.run_dir / "complement")}))
    assert trained[4:] == ["run"] and again.test == first.test
    assert equal(first.run_dir / "complement", again.run_dir / "complement")


def test_held_out_items_leave_its_weights_alone(settings: dict[str, Any], trained: list[str]) -> None:
    def train() -> Path:
        return run("SRMA", "cycle", complement="gru", **settings).run_dir / "complement"

    def validated(folder: Path) -> object:
        return json.loads((folder / "result.json").read_text())["valid"]

    first = train()
    swap_held_out_items(settings)
    other = train()
    assert trained == ["complement", "run"] * 2 and validated(first) != validated(other)
    assert equal(first, other, "last.pth")
    swap_two_items(settings)  # training items matter
    assert not equal(other, train(), "last.pth")


@pytest.mark.parametrize("change", [{}, {"learning_rate": 0.01}])
def test_an_interrupted_training_goes_on_and_is_not_taken_for_a_finished_one(
    change: dict[str, Any],
    settings: dict[str, Any],
    trained: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    with interrupted_at("epoch 1 training"), pytest.raises(KeyboardInterrupt):
        run("SRMA", "cycle", complement="gru", **settings)
    (folder,) = Path(settings["checkpoint_dir"]).iterdir()
    assert f"--resume={folder}" in capsys.readouterr().err.splitlines()[-1]
    unbroken = run("SRMA", "cycle", complement="gru", **(settings | change))
    assert trained == ["complement", "complement", "run"]
    finished = run(resume=str(folder), **change)
    assert trained == ["complement", "complement", "run", "complement", "run"] and finished.test == unbroken.test
    assert equal(folder / "complement", unbroken.run_dir / "complement")
    assert equal(folder, unbroken.run_dir)
    assert bool(change) != ("resumed" in json.loads((folder / "complement" / "environment.json").read_text()))


@pytest.mark.parametrize("kind", ["gru", "a run"])
def test_a_moved_folder_goes_on_as_if_nothing_had_happened(
    kind: str, settings: dict[str, Any], tmp_path: Path, trained: list[str]
) -> None:
    own = {key: value for key, value in settings.items() if key != "complement_epochs"}
    given = run("SASRec", "cycle", right_aligned=True, **own)
    complement = kind if kind == "gru" else str(given.run_dir)
    whole = run("SRMA", "cycle", complement=complement, **(settings | {"epochs": 2}))
    half = run("SRMA", "cycle", complement=complement, **settings)
    moved = tmp_path / "elsewhere" / "moved"
    shutil.move(half.run_dir, moved)
    kept = tmp_path / "kept"
    shutil.move(whole.run_dir, kept)
    shutil.rmtree(settings["checkpoint_dir"])
    trained.clear()
    resumed = run(resume=str(moved), epochs=2)
    assert trained == ["run"] and resumed.test == whole.test and equal(moved, kept, "last.pth")
    assert load(moved).model.options.complement == complement  # which scoring does without


@pytest.mark.parametrize(
    ("name", "of_file"), [("CL4SRec", True), *((it, False) for it in ("CL4SRec", "CoSeRec", "DuoRec", "ECLSR"))]
)
def test_a_given_run_complements_any_method(name: str, of_file: bool, settings: dict[str, Any]) -> None:
    own = {key: value for key, value in settings.items() if key != "complement_epochs"}
    given = run("SASRec", "cycle", encoder="gru", **own).run_dir
    before = run(name, "cycle", complement_weight=1.0, **own)
    folder = given / "best.pth" if of_file else given
    after = run(name, "cycle", complement=str(folder), complement_weight=1.0, **own)
    assert equal(given, after.run_dir / "complement") and not equal(before.run_dir, after.run_dir)


def test_what_does_not_fit_is_refused(settings: dict[str, Any], tmp_path: Path) -> None:
    own = {key: value for key, value in settings.items() if key != "complement_epochs"}
    saved = Path(settings["checkpoint_dir"])
    wide = run("SASRec", "cycle", **(own | {"hidden_size": 32})).run_dir
    recboles = run("GRU4Rec", "cycle", **{key: own[key] for key in own if "_size" not in key}).run_dir
    other = write_cycle(tmp_path / "other", "others")
    file = Path(other["data_path"]) / "others" / "others.inter"
    file.write_text(re.sub(r"\ti(\d)", r"\tj\1", file.read_text()))
    others = run("SASRec", "others", **(own | other | {"checkpoint_dir": str(saved)})).run_dir
    runs = len(list(saved.iterdir()))
    cases = {
        str(wide): "hidden_size is 32",
        str(others): "other items",
        str(recboles): "GRU4Rec represents no rows",
        "grue": "config.yaml",
        f"{wide}/last.pth": "last.pth has no config.yaml",
        "": "complement",
    }
    for complement, words in cases.items():
        with pytest.raises(UsageError, match=words):
            run("SRMA", "cycle", complement=complement, **settings)
        assert len(list(saved.iterdir())) == runs


def test_a_resumed_run_keeps_its_encoder(settings: dict[str, Any], trained: list[str]) -> None:
    folder = run("SRMA", "cycle", complement="gru", **settings).run_dir
    with pytest.raises(UsageError, match="began with gru"):
        run(resume=str(folder), epochs=2, complement="transformer")
    before = weights(folder / "complement")
    run(resume=str(folder), epochs=2, stopping_step=20, learning_rate=0.01)
    assert trained == ["complement", "run", "run"]
    assert all(torch.equal(value, before[key]) for key, value in weights(folder / "complement").items())


def test_an_encoder_that_was_trained_on_is_not_used_for_what_it_was(
    settings: dict[str, Any], trained: list[str]
) -> None:
    folder = run("SRMA", "cycle", complement="gru", **settings).run_dir
    run(resume=str(folder / "complement"), epochs=3)
    run("SRMA", "cycle", complement="gru", **settings)
    assert trained == ["complement", "run", "run", "complement", "run"]


def test_a_run_without_the_encoder_that_it_began_with_does_not_go_on(
    settings: dict[str, Any], trained: list[str]
) -> None:
    folder = run("SRMA", "cycle", complement="gru", **settings).run_dir
    shutil.rmtree(folder / "complement")
    with pytest.raises(UsageError, match="began with an encoder in .*complement, which is missing"):
        run(resume=str(folder), epochs=2)
    assert trained == ["complement", "run"]


@pytest.fixture
def not_begun(settings: dict[str, Any]) -> Path:
    """A run whose second encoder is trained and whose own training has not begun."""
    with interrupted_at("training rows", time=2), pytest.raises(KeyboardInterrupt):
        run("SRMA", "cycle", complement="gru", **settings)
    (folder,) = Path(settings["checkpoint_dir"]).iterdir()
    assert not (folder / "last.pth").exists()
    return folder


@pytest.mark.parametrize("other", [{"hidden_size": 32}, {"dataset": "other"}, {"complement": "transformer"}])
def test_a_refused_resumption_leaves_the_folder_as_it_is(other: dict[str, Any], not_begun: Path) -> None:
    before = (not_begun / "config.yaml").read_bytes()
    with pytest.raises(UsageError):
        run(resume=str(not_begun), **other)
    assert (not_begun / "config.yaml").read_bytes() == before
    assert run(resume=str(not_begun)).epochs_run == 1


def test_a_run_that_has_not_begun_does_not_go_on_with_other_interactions(
    not_begun: Path, settings: dict[str, Any]
) -> None:
    swap_two_items(settings)
    with pytest.raises(UsageError, match="other interactions than cycle has now"):
        run(resume=str(not_begun))


def test_a_finished_run_without_its_state_does_not_begin_again(settings: dict[str, Any]) -> None:
    folder = run("SRMA", "cycle", complement="gru", **settings).run_dir
    (folder / "last.pth").unlink()
    with pytest.raises(UsageError, match=r"no last\.pth"):
        run(resume=str(folder), epochs=2)


def test_settings_that_do_not_fit_are_refused_before_it_is_trained(
    settings: dict[str, Any], trained: list[str]
) -> None:
    with pytest.raises(UsageError, match="dropped_layers = 2"):
        run("SRMA", "cycle", complement="gru", dropped_layers=2, **settings)
    assert trained == [] and list(Path(settings["checkpoint_dir"]).iterdir()) == []


def test_one_that_diverges_leaves_its_state(settings: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="learning_rate"):
        run("SRMA", "cycle", complement="gru", **(settings | {"learning_rate": 1e30, "complement_epochs": 5}))
    assert len(list(Path(settings["checkpoint_dir"]).glob("*/complement/last.pth"))) == 1
