"""A whole run: what it leaves, what it refuses, how it is interrupted and taken up."""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
import yaml

from recbole_cl import load, run, run_seeds
from recbole_cl.cli import train_main
from recbole_cl.errors import UsageError
from recbole_cl.report.store import load_run
from recbole_cl.runs.lock import LOCK
from recbole_cl.testing.toy import N_ITEMS, N_USERS, TINY, write_cycle
from tests.runs.test_lock import HOLDER
from tests.watching import interrupted_at, watching

METRICS = {f"{name}@{k}" for name in ("hit", "ndcg", "mrr") for k in (5, 10, 20)}


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Any]:
    return TINY | write_cycle(tmp_path)


def flags(settings: dict[str, Any], **more: Any) -> list[str]:
    return ["-d", "cycle", *(f"--{key}={value}" for key, value in (settings | more).items())]


def test_a_run_leaves_everything_in_its_folder(settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["pytest", "--epochs=9", "--no-such-setting=1"])  # never looked at
    result = run("DuoRec", "cycle", epochs=2, **settings)
    folder = result.run_dir
    assert folder.parent == Path(settings["checkpoint_dir"]) and folder.name.startswith("DuoRec-cycle-2020-")
    names = {path.name for path in folder.iterdir() if "tfevents" not in path.name and path.name != LOCK}
    assert names == {
        *("config.yaml", "environment.json", "log.txt", "best.pth", "last.pth", "result.json"),
        *("items.json", "ranks_test.npy", "ranks_test_history_removed.npy"),
    }
    stored = json.loads((folder / "result.json").read_text())
    assert set(stored) == {
        *("model", "dataset", "seed", "train_form", "best_epoch", "epochs_run", "seconds", "valid", "test", "targets"),
        *("parameters", "training_targets", "peak_memory"),
    }
    model = load(folder).model
    assert stored["parameters"] == sum(it.numel() for it in model.parameters()) and stored["peak_memory"] > 2**20
    assert stored["training_targets"] == sum(
        5 + user % 12 - 3 for user in range(N_USERS)
    )  # all but two, after a first one
    assert set(stored["seconds"]) == {"data", "train", "evaluate", "test"} and stored["epochs_run"] == 2
    assert set(stored["test"]) == {"history_kept", "history_removed"}
    assert all(set(values) == METRICS for values in (stored["valid"], *stored["test"].values()))
    run_read = load_run(folder)
    for protocol, ranks in run_read.ranks.items():
        assert ranks.dtype == np.int32 and len(ranks) == N_USERS and ranks.min() >= 1 and ranks.max() <= N_ITEMS + 1
        assert np.mean(ranks <= 10) == pytest.approx(stored["test"][protocol]["hit@10"], abs=1e-6)
    environment = json.loads((folder / "environment.json").read_text())
    assert environment["packages"]["torch"] == torch.__version__ and environment["device"] == "cpu"
    assert f"{torch.get_num_threads()} threads, commit {environment['commit']}" in (folder / "log.txt").read_text()
    assert "\x1b[" not in (folder / "log.txt").read_text() and "hit@10" in (folder / "log.txt").read_text()


def test_the_stored_config_gives_the_same_numbers_again(settings: dict[str, Any]) -> None:
    first = run("CL4SRec", "cycle", epochs=2, seed=7, temperature=0.5, **settings)
    second = run(None, None, config_files=[first.run_dir / "config.yaml"])
    assert second.run_dir != first.run_dir and second.seed == 7 and second.model == "CL4SRec"
    assert second.test == first.test and second.valid == first.valid
    assert yaml.safe_load((first.run_dir / "config.yaml").read_text())["temperature"] == 0.5


def test_several_seeds_several_folders_and_a_comparison(settings: dict[str, Any], capsys: Any) -> None:
    from recbole_cl.cli import main

    results = run_seeds("SASRec", "cycle", [1, 2], epochs=1, **settings)
    results += run_seeds("DuoRec", "cycle", [1, 2], epochs=1, **settings)
    assert [result.seed for result in results] == [1, 2, 1, 2] and len({r.run_dir for r in results}) == 4
    assert main(["compare", *(str(result.run_dir) for result in results), "--baseline", "SASRec"]) == 0
    table = capsys.readouterr().out
    assert "DuoRec" in table and "hit@10" in table and "Holm" in table
    with pytest.raises(UsageError, match="twice"):
        run_seeds("SASRec", "cycle", [1, 1], **settings)
    with pytest.raises(UsageError, match="seed = 4294967296"):
        run_seeds("SASRec", "cycle", [3, 2**32], epochs=1, **settings)
    assert len(list(Path(settings["checkpoint_dir"]).iterdir())) == 4  # none was trained


def test_an_interrupted_run_leaves_a_last_pth_and_goes_on(
    settings: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    whole = run("DuoRec", "cycle", epochs=3, **settings)
    with interrupted_at("epoch 1 training"):  # after its steps, before it is kept
        assert train_main(flags(settings, epochs=3)) == 130
    folder = max(Path(settings["checkpoint_dir"]).iterdir(), key=lambda path: path.stat().st_mtime_ns)
    assert folder != whole.run_dir and str(folder / "last.pth") in capsys.readouterr().err
    assert not (folder / "result.json").exists()
    assert train_main([f"--resume={folder}"]) == 0
    assert json.loads((folder / "result.json").read_text())["test"] == whole.test


def test_a_resumed_runs_settings_are_its_folders_and_its_config_starts_anew(settings: dict[str, Any]) -> None:
    first = run("CL4SRec", "cycle", epochs=1, temperature=0.5, **settings)
    resumed = run(resume=str(first.run_dir), epochs=2)
    assert resumed.run_dir == first.run_dir and (resumed.model, resumed.epochs_run) == ("CL4SRec", 2)
    stored = yaml.safe_load((first.run_dir / "config.yaml").read_text())
    assert (stored["temperature"], stored["epochs"], stored["resume"]) == (0.5, 2, None)
    assert run(config_files=[first.run_dir / "config.yaml"]).run_dir != first.run_dir
    with interrupted_at("epoch 2 training"), pytest.raises(KeyboardInterrupt):
        run(resume=str(first.run_dir), epochs=3)
    assert yaml.safe_load((first.run_dir / "config.yaml").read_text())["epochs"] == 3
    assert not (first.run_dir / "result.json").exists()  # of two epochs


@pytest.mark.parametrize("with_config", [False, True])
def test_a_folder_that_cannot_be_resumed_is_left_as_it_is(
    with_config: bool, settings: dict[str, Any], tmp_path: Path
) -> None:
    folder = tmp_path / "precious"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    if with_config:
        (folder / "config.yaml").write_text("model: SASRec\ndataset: cycle\n")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(UsageError):
        run("SASRec", "cycle", resume=str(folder), **settings)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize(
    "other",
    [
        {"seed": 7},
        {"learner": "sgd"},
        {"valid_metric": "Hit@5"},
        {"eval_history": "remove"},
        {"train_on": "all"},
        {"eval_args": {"mode": "uni20"}},
        {"n_heads": 4},
        {"MAX_ITEM_LIST_LENGTH": 6},
    ],
)
def test_a_run_does_not_go_on_as_another_one(other: dict[str, Any], settings: dict[str, Any]) -> None:
    folder = run("SASRec", "cycle", epochs=1, **settings).run_dir
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "log.txt"}
    with pytest.raises(UsageError, match=f"{next(iter(other))} = .* began with "):
        run(resume=str(folder), epochs=2, **other)
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "log.txt"} == before


def test_a_file_can_name_the_run_to_go_on_with(settings: dict[str, Any], tmp_path: Path) -> None:
    first = run("SASRec", "cycle", epochs=1, learning_rate=5e-4, **settings)
    file = tmp_path / "on.yaml"
    file.write_text(f"resume: {first.run_dir}\nepochs: 2\n")
    resumed = run(config_files=str(file))  # one file needs no list
    assert (resumed.run_dir, resumed.epochs_run) == (first.run_dir, 2)
    assert yaml.safe_load((first.run_dir / "config.yaml").read_text())["learning_rate"] == 5e-4
    with pytest.raises(UsageError, match="only one run can be resumed"):
        run_seeds(None, None, [1, 2], config_files=[file])


def test_the_environment_tells_each_resumption_and_no_later_test(settings: dict[str, Any]) -> None:
    folder = run("SASRec", "cycle", epochs=1, **settings).run_dir
    file = folder / "environment.json"
    first = json.loads(file.read_text())
    run(resume=str(folder))
    assert json.loads(file.read_text()) == first
    run(resume=str(folder), epochs=2)
    assert json.loads(file.read_text()) == first | {"resumed": [{"epoch": 1, **first}]}


def test_a_run_that_another_process_works_on_is_refused_and_leftovers_are_removed(settings: dict[str, Any]) -> None:
    folder = run("SASRec", "cycle", epochs=1, **settings).run_dir
    (leftover := folder / f".last.pth.{'a' * 32}.tmp").touch()
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    command = [sys.executable, "-c", HOLDER, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout and holder.stdout.readline() == "held\n"
        with pytest.raises(UsageError, match="another process"):
            run(resume=str(folder), epochs=2)
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
        holder.kill()
    assert run(resume=str(folder), epochs=2).epochs_run == 2 and not leftover.exists()


def test_a_damaged_neighbour_is_not_looked_at(settings: dict[str, Any]) -> None:
    saved = Path(settings["checkpoint_dir"])
    for name in ("DuoRec-cycle-2020-20200101-000000", "complement"):
        (saved / name).mkdir(parents=True)
        for file in ("config.yaml", "result.json", "last.pth", "best.pth"):
            (saved / name / file).write_bytes(b"\x80\x04garbage")
    (saved / "last.pth").symlink_to("nowhere")
    before = {path: path.is_file() and path.read_bytes() for path in saved.rglob("*")}
    run("SASRec", "cycle", epochs=1, **settings)
    assert all((path.is_file() and path.read_bytes()) == content for path, content in before.items())


@pytest.mark.parametrize("name", ["../x", "/tmp/x", "..", ".", "", "a\\b", "a\x1b[31m", "a\n"])
def test_a_dataset_is_one_folder_and_nothing_is_made_elsewhere(
    name: str, settings: dict[str, Any], tmp_path: Path
) -> None:
    before = {*tmp_path.rglob("*")}
    with pytest.raises(UsageError, match="dataset = .*expected the name of a folder"):
        run("SASRec", name, **settings)
    assert {*tmp_path.rglob("*")} == before


def test_a_folder_that_is_removed_under_a_run_is_told_and_not_made_again(
    settings: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    saved = Path(settings["checkpoint_dir"])

    def remove(message: str) -> None:
        if "epoch 0 training" in message:
            shutil.rmtree(next(saved.iterdir()))

    with watching(remove):
        assert train_main(["-m", "SASRec", *flags(settings, epochs=3)]) == 2
    *_, told, error = capsys.readouterr().err.splitlines()
    assert "holds nothing to resume from" in told and "was it moved or removed meanwhile?" in error
    assert list(saved.iterdir()) == []


@pytest.mark.parametrize(
    "call",
    [
        lambda: load(5),  # type: ignore[arg-type]
        lambda: load("a\0b"),
        lambda: run(model=5),  # type: ignore[arg-type]
        lambda: run(dataset=5),
        lambda: run(dataset=""),
        lambda: run(config_files=5),  # type: ignore[arg-type]
        lambda: run(config_files="a\0b"),
        lambda: run(resume=5),
        lambda: run(resume={"a": 1}),
        lambda: run_seeds("SASRec", "cycle", 5),  # type: ignore[arg-type]
        lambda: run_seeds("SASRec", "cycle", [[1]]),  # type: ignore[list-item]
    ],
)
def test_a_wrong_type_is_refused(call: Callable[[], object]) -> None:
    with pytest.raises(UsageError):
        call()


def test_an_empty_resume_is_no_new_run(settings: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="resume = '': expected a run folder"):
        run("SASRec", "cycle", resume="", **settings)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_told(settings: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    run("SASRec", "cycle", epochs=0, gpu_id=3, **(settings | {"use_gpu": True}))
    assert "gpu_id = 3: PyTorch finds no such GPU here; this run trains on the CPU" in capsys.readouterr().err


def test_a_start_that_is_interrupted_leaves_no_folder(settings: dict[str, Any]) -> None:
    with interrupted_at(f"{N_USERS} users, {N_ITEMS} items"), pytest.raises(KeyboardInterrupt):
        run("SASRec", "cycle", **settings)
    assert list(Path(settings["checkpoint_dir"]).iterdir()) == []


def test_weights_and_biases_gets_the_test_metrics_of_every_seed(
    settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="pip install wandb"):
        run("SASRec", "cycle", log_wandb=True, **settings)

    class Board(ModuleType):
        run: Any = None
        finished: ClassVar[list[dict[str, float]]] = []

        def init(self, **settings: Any) -> None:
            self.run = SimpleNamespace(summary={})

        def finish(self) -> None:
            self.finished.append(self.run.summary)
            self.run = None

        def log(self, *args: Any, **kwargs: Any) -> None: ...

        def define_metric(self, *args: Any, **kwargs: Any) -> None: ...

    board = Board("wandb")
    board.__spec__ = ModuleSpec("wandb", None)
    monkeypatch.setitem(sys.modules, "wandb", board)
    results = run_seeds("SASRec", "cycle", [1, 2], epochs=1, log_wandb=True, **settings)
    assert [board["test/history_kept/hit@10"] for board in Board.finished] == [
        result.test["history_kept"]["hit@10"] for result in results
    ]


def test_a_checkpoint_dir_that_is_a_file_gets_one_line(
    settings: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (file := tmp_path / "file").write_text("")
    assert train_main(flags(settings | {"checkpoint_dir": str(file / "saved")}, epochs=1)) == 2
    error = capsys.readouterr().err
    assert str(file) in error and error.count("\n") == 1


def test_a_misspelt_setting_beside_the_data_is_refused(settings: dict[str, Any]) -> None:
    file = Path(settings["data_path"]) / "cycle" / "cycle.yaml"
    file.write_text("rm_dup_inte: first\n")
    with pytest.raises(UsageError, match=r"cycle\.yaml.*'rm_dup_inte'; did you mean rm_dup_inter"):
        run("SASRec", "cycle", epochs=0, **settings)
    file.write_text("MAX_ITEM_LIST_LENGTH: 3\n")
    result = run(
        "SASRec", "cycle", epochs=0, **{key: it for key, it in settings.items() if key != "MAX_ITEM_LIST_LENGTH"}
    )
    assert yaml.safe_load((result.run_dir / "config.yaml").read_text())["MAX_ITEM_LIST_LENGTH"] == 3


def test_results_tell_users_and_targets_by_their_tokens(settings: dict[str, Any], tmp_path: Path) -> None:
    first = run("SASRec", "cycle", epochs=0, **settings)
    gru4rec = {key: value for key, value in settings.items() if key != "inner_size"}
    assert run("GRU4Rec", "cycle", epochs=0, **gru4rec).targets == first.targets
    file = Path(settings["data_path"]) / "cycle" / "cycle.inter"
    header, *lines = file.read_text().splitlines()
    seen = set()
    for early in (True, False):  # times that tell all interactions of all users apart
        timed = [f"{line.rsplit(chr(9), 1)[0]}\t{place}" for place, line in enumerate(lines)]
        file.write_text("\n".join([header, *(timed if early else reversed(timed))]) + "\n")  # other ids for the users
        seen.add(run("SASRec", "cycle", epochs=0, **settings).targets)
    assert len(seen) == 2 and first.targets in seen  # which is ordered by the users' ids, not by times


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"temperature": 0}, ["temperature", "0"]),
        ({"hidden_dropout_prob": 1.5}, ["hidden_dropout_prob", "1.5"]),
        ({"dropout": 1.5}, ["dropout", "hidden_dropout_prob"]),
        ({"epochs": -1}, ["epochs", "-1"]),
        ({"epochs": "abc"}, ["epochs", "abc"]),
        ({"hidden_size": 65}, ["hidden_size", "65", "n_heads"]),
        ({"valid_metric": "Hit@7"}, ["valid_metric", "Hit@7"]),
        ({"temperatur": 0.5}, ["temperatur", "temperature"]),
        ({"crop_ratio": 0.5}, ["crop_ratio", "CL4SRec"]),
        ({"model": "DuoRek"}, ["DuoRek", "DuoRec"]),
        ({"seq_len": {"item_id_list": 3}}, ["seq_len"]),
        ({"val_interval": {"rating": "[4,inf)"}}, ["cycle", "rating"]),
        ({"load_col": {"inter": ["user_id", "item_id"]}}, ["load_col", "timestamp"]),
        ({"alias_of_user_id": ["x"]}, ["alias_of_user_id", "x", "Leave it at ~"]),
        ({"dataset": "no-such-data"}, ["no-such-data"]),
        ({"user_inter_num_interval": "[500,inf)"}, ["cycle", "user_inter_num_interval"]),
        ({"val_interval": {"timestamp": "[100,200]"}}, ["val_interval"]),
        ({"TIME_FIELD": "when"}, ["when", "timestamp"]),
    ],
)
def test_bad_input_gets_one_line_and_exit_code_2(
    more: dict[str, Any], words: list[str], settings: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    given = {"model": "DuoRec", "dataset": "cycle"} | settings | more
    assert train_main([f"--{key}={value}" for key, value in given.items()]) == 2
    error = capsys.readouterr().err.strip().splitlines()
    *counts, line = error  # of what each filter left out
    assert all("interactions left out" in count for count in counts) and all(word in line for word in words)
    assert not list(Path(settings["checkpoint_dir"]).glob("*"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("user_id\titem_id\ttimestamp\n1\t2\t3\n", ["type"]),
        ("user_id:token\titem_id:token\n1\t2\n", ["timestamp"]),
        ("user_id:token\titem_id:token\ttimestamp:float\n1\t2\tnan\n1\t\t4\n", ["line"]),
        ("user_id:token\titem_id:token\ttimestamp:float\n1\t-2\t3\n", ["negative"]),
        ("user_id:token\titem_id:token\ttimestamp:float\n", []),
        ("", ["empty"]),
        ("user_id:token\titem_id:token\ttimestamp:float\n1\t2\t3\n1\t3\t4\n", []),
    ],
)
def test_bad_data_gets_one_line(text: str, words: list[str], settings: dict[str, Any], capsys: Any) -> None:
    (Path(settings["data_path"]) / "cycle" / "cycle.inter").write_text(text)
    assert train_main(flags(settings, epochs=1)) == 2
    error = capsys.readouterr().err.strip().splitlines()
    *counts, line = error  # of what each filter left out
    assert all("interactions left out" in count for count in counts) and all(word in line for word in words)


def test_the_root_logger_is_left_as_it_was(settings: dict[str, Any]) -> None:
    root = logging.getLogger()
    before = list(root.handlers), root.level
    run("SASRec", "cycle", epochs=1, **settings)
    assert (list(root.handlers), root.level) == before


def test_training_a_complement_first_leaves_the_random_state_as_it_was(settings: dict[str, Any]) -> None:
    first: dict[str, Any] = {"epochs": 1, "complement_epochs": 2}
    results = [run("SRMA", "cycle", complement=kind, **(settings | first)) for kind in ("none", "gru")]
    states = [torch.load(it.run_dir / "last.pth", weights_only=True)["random"]["torch"] for it in results]
    assert torch.equal(*states)
