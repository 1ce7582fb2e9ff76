"""Whole searches on the circle: what they leave, that they see no test item, and how they are stopped and taken up."""

from __future__ import annotations

import csv
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import optuna
import pytest
import yaml

from recbole_cl import SearchResult, run, tune
from recbole_cl.errors import UsageError
from recbole_cl.runs import training
from recbole_cl.search import loop, study
from recbole_cl.testing.toy import TINY, write_cycle
from recbole_cl.trainer.trainer import Trainer
from tests.watching import interrupted_at, watching

ROOT = Path(__file__).parents[2]
RANGES = "learning_rate: {low: 1e-3, high: 1e-1, log: True}\nhidden_dropout_prob: {low: 0.0, high: 0.4, step: 0.1}\n"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_cycle(folder)
    (folder / "ranges.yaml").write_text(RANGES, encoding="utf-8")
    return folder


def settings(data: Path, folder: Path, **more: Any) -> dict[str, Any]:
    """Those of a search whose trials take a moment."""
    own: dict[str, Any] = {"data_path": str(data), "checkpoint_dir": str(folder), "ranges": data / "ranges.yaml"}
    own |= {"storage": optuna.storages.InMemoryStorage(), "epochs": 2, "train_form": "sequence", "random_trials": 2}
    return {**TINY, **own, **more}


def table(result: SearchResult) -> list[dict[str, str]]:
    """What trials.csv holds, without seconds."""
    with (result.folder / "trials.csv").open(encoding="utf-8") as file:
        return [{key: it for key, it in line.items() if key != "seconds"} for line in csv.DictReader(file)]


@pytest.fixture(autouse=True)
def _no_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second's work for each search, and one test looks at them."""
    monkeypatch.setattr(loop, "write_plots", lambda *_: [])


@pytest.fixture(scope="module")
def whole(data: Path, tmp_path_factory: pytest.TempPathFactory) -> SearchResult:
    """A search of four trials and a test for one seed."""
    folder = tmp_path_factory.mktemp("whole")
    return tune("SASRec", "cycle", trials=4, seeds=[5], **settings(data, folder, storage=None))


def test_a_search_leaves_its_best_setting_a_table_plots_and_one_test(whole: SearchResult, data: Path) -> None:
    lines = table(whole)
    assert [line["state"] for line in lines] == ["complete"] * 4 and [line["trial"] for line in lines] == list("0123")
    best = max(lines, key=lambda line: float(line["value"]))
    assert whole.value == float(best["value"]) and whole.best["learning_rate"] == float(best["learning_rate"])
    assert {path.name for path in whole.folder.iterdir() if path.suffix} >= {
        *("best.yaml", "trials.csv", "history.svg", "importance.svg", "study.db")
    }
    text = (whole.folder / "best.yaml").read_text()
    assert f"trial {best['trial']}, MRR@10 {whole.value:.6f} on validation items" in text
    assert yaml.safe_load(text).items() >= {"model": "SASRec", "dataset": "cycle", "epochs": 2, **whole.best}.items()
    again = run(config_files=whole.folder / "best.yaml", checkpoint_dir=str(whole.folder / "again"))
    assert again.valid["mrr@10"] == whole.value  # ready for --config_files
    (test,) = whole.tests
    assert test.seed == 5 and test.run_dir.parent == whole.folder / f"test-of-trial-{int(best['trial']):04d}"
    weights = {path.parent.name for path in whole.folder.glob("trial-*/*.pth")}
    assert weights == {f"trial-{int(best['trial']):04d}"}  # the others' are gone


def test_nothing_is_tested_before_all_trials_have_ended(
    whole: SearchResult, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = settings(data, whole.folder.parent, storage=None)
    result = tune("SASRec", "cycle", trials=5, limit_hours=0, seeds=[6], **own)
    assert result.value == whole.value and result.tests == ()
    assert "no test yet: 4 of 5 trials have ended" in capsys.readouterr().out


def test_no_trial_looks_at_a_test_item(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Users' last items change places: nothing that a search measures may change. And no test is computed."""
    lines = (data / "cycle" / "cycle.inter").read_text().splitlines()
    last = {line.split("\t")[0]: place for place, line in enumerate(lines[1:], start=1)}
    found = []
    for shift in (0, 7):
        folder = tmp_path / str(shift)
        (folder / "cycle").mkdir(parents=True)
        items = [lines[place].split("\t")[1] for place in last.values()]
        items = items[shift:] + items[:shift]
        rest = [line for place, line in enumerate(lines) if place not in last.values()]
        tests = [f"{user}\t{item}\t99" for user, item in zip(last, items, strict=True)]
        (folder / "cycle" / "cycle.inter").write_text("\n".join([*rest, *tests]) + "\n", encoding="utf-8")
        own = settings(folder, folder / "saved", ranges=data / "ranges.yaml")
        found.append(table(tune("DuoRec", "cycle", trials=1, **own)))
        assert not list(folder.rglob("ranks_test*")) and not list(folder.rglob("result.json"))
    assert found[0] == found[1] and found[0][0]["state"] == "complete"
    assert (tmp_path / "0/cycle/cycle.inter").read_text() != (tmp_path / "7/cycle/cycle.inter").read_text()


def test_a_search_that_is_stopped_goes_on_as_if_it_had_not_been(
    whole: SearchResult, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = settings(data, tmp_path, storage=None)
    with interrupted_at("epoch 1 training", time=2), pytest.raises(KeyboardInterrupt):
        tune("SASRec", "cycle", trials=4, **own)
    assert "the same command resumes" in capsys.readouterr().out
    folder = tmp_path / "tune-SASRec-cycle-2020"
    assert (folder / "trial-0001" / "last.pth").is_file() and not (folder / "trial-0002").exists()
    epochs = []
    with pytest.MonkeyPatch.context() as patch:
        train_epoch = Trainer._train_epoch

        def noted(self: Trainer, data: Any, epoch: int, *args: Any, **more: Any) -> float:
            epochs.append(epoch)
            return train_epoch(self, data, epoch, *args, **more)

        patch.setattr(Trainer, "_train_epoch", noted)
        result = tune("SASRec", "cycle", trials=4, **own)
    assert epochs == [1, 0, 1, 0, 1]  # the interrupted trial's second epoch, then two trials
    assert table(result) == table(whole)
    assert tune("SASRec", "cycle", trials=4, **own).value == whole.value  # nothing is left to do
    with pytest.raises(UsageError, match=r"study SASRec-cycle-2020 began with epochs = 2, and here it is 3"):
        tune("SASRec", "cycle", trials=4, **own | {"epochs": 3})


def test_time_that_is_up_ends_a_search_at_a_validation(data: Path, tmp_path: Path) -> None:
    result = tune("SASRec", "cycle", limit_hours=1e-9, **settings(data, tmp_path))
    assert result.best == {} and result.value is None and table(result) == []
    own = settings(data, tmp_path, study="other")
    with pytest.MonkeyPatch.context() as patch:
        clock = iter([0.0, 0.0, 0.0])
        patch.setattr(time, "monotonic", lambda: next(clock, 9e9))
        result = tune("SASRec", "cycle", limit_hours=1.0, **own)
    assert [line["state"] for line in table(result)] == ["running"] and table(result)[0]["validations"] == "1"
    assert [line["state"] for line in table(tune("SASRec", "cycle", trials=1, **own))] == ["complete"]


def test_a_time_limit_shorter_than_an_epoch_ends_each_start_one_epoch_further(data: Path, tmp_path: Path) -> None:
    own = settings(data, tmp_path, epochs=4, eval_step=4, stopping_step=9)
    epochs: list[int] = []

    def see(message: str) -> None:
        epochs.extend(number for number in range(4) if f"epoch {number} training" in message)

    for _ in range(5):  # more than the starts without a validation that a trial may have
        clock = iter([0.0, 0.0, 0.0])
        with pytest.MonkeyPatch.context() as patch, watching(see):
            patch.setattr(time, "monotonic", lambda clock=clock: next(clock, 9e9))
            result = tune("SASRec", "cycle", trials=1, limit_hours=1.0, **own)
    assert epochs == [0, 1, 2, 3] and [line["state"] for line in table(result)] == ["complete"]


def test_trials_that_their_values_break_fail_and_the_search_goes_on(data: Path, tmp_path: Path) -> None:
    (file := tmp_path / "r.yaml").write_text("learning_rate: [1e+30, 1e-3]\n")
    lines = table(tune("SASRec", "cycle", trials=4, **settings(data, tmp_path, ranges=file)))
    states = {(line["learning_rate"], line["state"]) for line in lines}
    assert states == {("1e+30", "failed"), ("0.001", "complete")}
    errors = [line["error"] for line in lines if line["state"] == "failed"]
    assert all("lower learning_rate" in error and "last.pth" not in error for error in errors)

    def no_memory(*args: Any) -> None:
        raise RuntimeError("[enforce fail at alloc_cpu.cpp:1] DefaultCPUAllocator: can't allocate memory: you tried")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "build_model", no_memory)
        patch.setattr(loop, "_MOST_FAILURES", 2)
        with pytest.raises(UsageError, match=r"all of the first 2 trials failed, the last by: .*can't allocate memory"):
            tune("SASRec", "cycle", trials=99, **settings(data, tmp_path, study="memory"))
        patch.setattr(training, "build_model", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):  # a bug is not hidden
            tune("SASRec", "cycle", trials=1, **settings(data, tmp_path, study="bug"))


def test_trials_below_the_median_are_given_up(data: Path, tmp_path: Path) -> None:
    (file := tmp_path / "r.yaml").write_text("learning_rate: [1e-9, 1e-2]\n")
    own = settings(data, tmp_path, ranges=file, epochs=4, prune_after=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "_TRIALS_BEFORE_PRUNING", 2)
        lines = table(tune("SASRec", "cycle", trials=6, **own))
    pruned = [line for line in lines if line["state"] == "pruned"]
    assert pruned and {line["learning_rate"] for line in pruned} == {"1e-09"}
    assert {line["validations"] for line in pruned} == {"3"}  # not in the first two epochs


def test_halving_keeps_the_best_third_from_the_first_trials_on(data: Path, tmp_path: Path) -> None:
    (file := tmp_path / "r.yaml").write_text("learning_rate: [1e-9, 1e-2]\n")
    own = settings(data, tmp_path, ranges=file, epochs=6, prune_after=2, pruner="halving")
    lines = table(tune("SASRec", "cycle", trials=6, **own))
    ended = [line["learning_rate"] for line in lines if line["state"] == "complete"]
    assert ended and set(ended[1:]) <= {"0.01"}  # the first trial has no other to fall behind
    pruned = [line["validations"] for line in lines if line["state"] == "pruned"]
    assert pruned and set(pruned) <= {"2", "6"}
    with pytest.raises(UsageError, match="pruner = best: expected median or halving"):
        tune("SASRec", "cycle", trials=1, **own | {"pruner": "best"})


def test_halving_compares_the_others_with_a_given_first_trial(data: Path, tmp_path: Path) -> None:
    (file := tmp_path / "r.yaml").write_text("learning_rate: [1e-9, 1e-8, 1e-7, 1e-2]\n")
    (files := tmp_path / "given.yaml").write_text("learning_rate: 1e-2\n")
    own = settings(data, tmp_path, ranges=file, epochs=3, prune_after=1, pruner="halving", config_files=files)
    first, second = table(tune("SASRec", "cycle", trials=2, first_trial="given", **own))
    assert (first["learning_rate"], first["state"]) == ("0.01", "complete")
    assert float(second["learning_rate"]) < 1e-6 and (second["state"], second["validations"]) == ("pruned", "1")


def test_the_first_trial_may_have_the_settings_as_given(data: Path, tmp_path: Path) -> None:
    (file := tmp_path / "r.yaml").write_text(f"{RANGES}n_heads, n_layers: [[1, 2], [2, 1]]\nweight_decay: [1e-3, 0]\n")
    given = {"learning_rate": 0.02, "hidden_dropout_prob": 0.3, "n_heads": 2, "n_layers": 1}
    (files := tmp_path / "given.yaml").write_text(yaml.safe_dump(given))
    own = settings(data, tmp_path, ranges=file, config_files=files, first_trial="given")
    first, second = table(tune("SASRec", "cycle", trials=2, **own))
    assert {key: yaml.safe_load(first[key]) for key in (*given, "weight_decay")} == {**given, "weight_decay": 0.0}
    assert second["learning_rate"] != "0.02"
    del own["first_trial"]
    with pytest.raises(UsageError, match="study late began without --first-trial given"):
        for how in ("drawn", "given"):
            tune("SASRec", "cycle", trials=1, study="late", first_trial=how, **own)
    own["first_trial"] = "given"
    assert len(table(tune("SASRec", "cycle", trials=2, **own))) == 2  # the same values
    files.write_text(yaml.safe_dump(given | {"learning_rate": 0.03}))
    with pytest.raises(
        UsageError, match=r"began with learning_rate = 0\.02 in its first trial, and here 0\.03 is given"
    ):
        tune("SASRec", "cycle", trials=2, **own)
    files.write_text(yaml.safe_dump(given | {"hidden_dropout_prob": 0.5}))
    with pytest.raises(UsageError, match=r"first trial can't be as given: hidden_dropout_prob = 0\.5, which its range"):
        tune("SASRec", "cycle", trials=1, **own | {"study": "outside"})


@pytest.mark.slow
def test_two_workers_share_a_search_and_one_takes_up_what_the_others_death_left(
    whole: SearchResult, data: Path, tmp_path: Path
) -> None:
    own = settings(data, tmp_path, storage=None, ranges=str(data / "ranges.yaml"))
    script = "import time\nfrom recbole_cl import tune\nfrom recbole_cl.trainer import trainer\n"
    script += "def waits(board, found, epoch, logger):\n    if epoch:\n        print('in the midst', flush=True)\n"
    script += "        time.sleep(99)\ntrainer.write_diagnostics = waits\n"
    script += f"tune('SASRec', 'cycle', trials=4, **{own!r})\n"
    command = [sys.executable, "-W", "ignore", "-c", script]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as other:
        assert other.stdout and any("in the midst" in line for line in other.stdout)
        begun = []

        def see(message: str) -> None:
            if "epoch 0 training" in message:
                begun.append(message)
                other.send_signal(signal.SIGKILL)
                other.wait()

        with watching(see):
            result = tune("SASRec", "cycle", trials=4, **own)
    assert len(begun) == 3  # the other's trial goes on from its second epoch
    assert table(result) == table(whole)


@pytest.mark.slow
def test_a_trial_of_a_machine_that_has_died_is_begun_again_by_another(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study, "_HEARTBEAT", 1)
    monkeypatch.setattr(study, "_GRACE", 1)
    here, there = (
        settings(data, tmp_path / name, storage=f"sqlite:///{tmp_path / 'shared.db'}") for name in ("here", "there")
    )
    with interrupted_at("epoch 1 training"), pytest.raises(KeyboardInterrupt):
        tune("SASRec", "cycle", trials=1, **there)
    time.sleep(2.5)
    dead, again = table(tune("SASRec", "cycle", trials=1, **here))
    assert (dead["state"], dead["error"], again["state"]) == ("failed", "", "complete")
    assert all(dead[key] == again[key] for key in ("learning_rate", "hidden_dropout_prob"))


def test_a_trial_that_kills_its_process_each_time_is_given_up(data: Path, tmp_path: Path) -> None:
    def die(message: str) -> None:
        if "epoch 0 training" in message:
            raise SystemExit

    own = settings(data, tmp_path)
    for _ in range(3):
        with watching(die), pytest.raises(SystemExit):
            tune("SASRec", "cycle", trials=2, **own)
    lines = table(tune("SASRec", "cycle", trials=2, **own))
    assert [line["state"] for line in lines] == ["failed", "complete"]
    assert lines[0]["error"] == "its process ended 3 times before the next validation"


def test_a_trial_whose_process_died_while_it_drew_is_replaced(data: Path, tmp_path: Path) -> None:
    own = settings(data, tmp_path)
    folder = tune("SASRec", "cycle", limit_hours=0, **own).folder
    half: dict[str, Any] = {"hidden_dropout_prob": optuna.distributions.FloatDistribution(0.0, 0.4, step=0.1)}
    optuna.load_study(study_name="SASRec-cycle-2020", storage=own["storage"]).ask(half)
    (folder / "trial-0000").mkdir()
    lines = table(tune("SASRec", "cycle", trials=1, **own))
    assert [(line["state"], line["error"]) for line in lines] == [("failed", ""), ("complete", "")]
