"""The command line, with the training itself replaced."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from recbole_cl import cli
from recbole_cl.config import models as registry
from recbole_cl.config.common import CommonSettings
from recbole_cl.config.settings import settings_class
from recbole_cl.errors import UsageError
from recbole_cl.report import compare
from recbole_cl.runs import runner
from recbole_cl.runs.build import build_config

ROOT = Path(__file__).parents[1]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[SimpleNamespace]:
    """What ``run`` and ``run_seeds`` are called with."""
    made: list[SimpleNamespace] = []

    def run(model: str | None, dataset: str | None, *, config_files: list[str], **settings: Any) -> None:
        config = build_config(model, dataset, config_files, {})  # what the run would choose
        made.append(SimpleNamespace(files=config_files, settings=settings, seeds=None))
        made[-1].model, made[-1].dataset = config["model"], config["dataset"]

    def run_seeds(
        model: str | None, dataset: str | None, seeds: list[int], *, config_files: list[str], **settings: Any
    ) -> None:
        run(model, dataset, config_files=config_files, **settings)
        made[-1].seeds = seeds

    monkeypatch.setattr(runner, "run", run)
    monkeypatch.setattr(runner, "run_seeds", run_seeds)
    return made


def refusal(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    """What the train command refuses its arguments with: one line on stderr, exit code 2."""
    assert cli.train_main(argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("run_recbole_cl.py: error: ")
    return err


def test_no_arguments_mean_duorec_on_ml_100k(calls: list[SimpleNamespace]) -> None:
    assert cli.train_main([]) == 0
    (call,) = calls
    assert (call.model, call.dataset, call.files, call.settings, call.seeds) == ("DuoRec", "ml-100k", [], {}, None)


def test_flags_and_settings_are_told_apart(calls: list[SimpleNamespace], tmp_path: Path) -> None:
    one, two = tmp_path / "1.yaml", tmp_path / "2.yaml"
    one.write_text("model: GRU4Rec\ndataset: ml-1m\n")
    two.write_text("epochs: 3\n")
    argv = ["-m", "SASRec", "--dataset=toy", "--config_files", f"{one} {two}", "--learning_rate", "1e-3", "--seed=7"]
    argv += ["--topk=[5, 10]", "--weight_decay", "-1", "--gpu_id=", "--eval_args={group_by: ~}", "--checkpoint_dir=a=b"]
    assert cli.main(["train", *argv]) == 0
    (call,) = calls
    assert (call.model, call.dataset, call.files) == ("SASRec", "toy", [str(one), str(two)])
    assert call.settings == {
        "learning_rate": 0.001,
        "seed": 7,
        "topk": [5, 10],
        "weight_decay": -1,
        "gpu_id": None,
        "eval_args": {"group_by": None},
        "checkpoint_dir": "a=b",
    }


def test_model_and_dataset_may_stand_in_a_file(calls: list[SimpleNamespace], tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("model: GRU4Rec\ndataset: ml-1m\n")
    assert cli.train_main([f"--config_files={path}"]) == 0
    assert (calls[0].model, calls[0].dataset) == ("GRU4Rec", "ml-1m")


@pytest.mark.parametrize(
    ("argv", "seeds"),
    [
        (["--seeds=1,5,3"], [1, 5, 3]),
        (["--seeds", "4,"], [4]),
        (["--seeds=2", "--seed=11"], [11, 12]),
        (["--seeds=1"], [2020]),
    ],
)
def test_seeds_are_a_list_or_a_number_of_runs(calls: list[SimpleNamespace], argv: list[str], seeds: list[int]) -> None:
    assert cli.train_main(["-m", "GRU4Rec", *argv]) == 0
    assert calls[0].seeds == seeds
    assert calls[0].settings == {}


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["--seeds=0"], "--seeds=0: expected a number of runs >= 1, or a list of seeds such as 1,2,3"),
        (["--seeds=a"], "--seeds=a: expected"),
        (["--seeds=-1"], "--seeds=-1: expected"),
        (["--seeds=1,2", "--seed=3"], "--seed=3 has no use beside --seeds=1,2: leave one out"),
        (["--seeds=2", "--epochs=-1"], "epochs = -1: expected an integer >= 0"),
        (["-m", "SASRec", "--model=DuoRec"], "--model is given twice, as SASRec and as DuoRec"),
        (["--epochs=1", "--epochs", "2"], "--epochs is given twice, as 1 and as 2"),
        (["--epochs"], "--epochs has no value: write --epochs=VALUE, for a switch --epochs=True"),
        (["--shuffle", "--epochs=1"], "--shuffle has no value"),
        (["-m"], "-m has no value"),
        (["SASRec"], "unrecognized arguments: SASRec; see run_recbole_cl.py --help"),
        (["--config_files=gone.yaml"], "gone.yaml: cannot be read"),
    ],
)
def test_a_mistake_is_told_in_one_line(
    calls: list[SimpleNamespace], capsys: pytest.CaptureFixture[str], argv: list[str], expected: str
) -> None:
    assert expected in refusal(capsys, *argv)
    assert calls == []


def test_the_same_value_twice_is_no_mistake(calls: list[SimpleNamespace]) -> None:
    assert cli.train_main(["--epochs=1", "--epochs=1", "-m", "SASRec", "-m", "SASRec"]) == 0
    assert calls[0].settings == {"epochs": 1}


def test_a_refusal_of_the_run_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*args: object, **settings: object) -> None:
        raise UsageError("one\n  two")

    monkeypatch.setattr(runner, "run", refuse)
    assert refusal(capsys) == "run_recbole_cl.py: error: one two\n"


def test_an_interruption_ends_with_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(*args: object, **settings: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "run", interrupt)
    assert cli.main(["train"]) == 130
    assert capsys.readouterr().err == "recbole-cl: interrupted\n"


def test_a_bug_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **settings: object) -> None:
        raise ValueError("bug")

    monkeypatch.setattr(runner, "run", fail)
    with pytest.raises(ValueError, match="bug"):
        cli.train_main([])


def test_models_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["models"]) == 0
    assert capsys.readouterr().out.split() == registry.available_models()


def test_the_settings_of_a_model_are_listed_with_range_default_and_the_papers_value(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["models", "--settings", "CoSeRec"]) == 0
    out = capsys.readouterr().out
    assert "contrastive_weight: 0.1\n    range: a number >= 0; lambda\n    about: lambda, weight of" in out
    assert "    paper: {0.1, ..., 0.5}\n" in out and "    paper: {0.005, 0.01, 0.05, 0.1, 0.5, 1.0}\n" in out
    assert "\nseed: 2020\n    range: an integer in [0, 4294967295]\n" in out
    assert {line.split(":")[0] for line in out.splitlines() if line[0] != " "} == {
        *settings_class(registry.model_class("CoSeRec")).model_fields,
        *CommonSettings.model_fields,
    } - {"model", "dataset"}
    assert cli.main(["models", "--settings", "GRU4Rec"]) == 0
    assert "loss_type: CE\n    range: one of CE, BPR\n" in capsys.readouterr().out


def test_the_schema_is_printed_or_written(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert cli.main(["schema", "--model", "GRU4Rec"]) == 0
    assert "loss_type" in json.loads(capsys.readouterr().out)["properties"]
    assert cli.main(["schema", f"--output={tmp_path / 'schema.json'}"]) == 0
    assert "generator_weight" in json.loads((tmp_path / "schema.json").read_text())["properties"]


def test_misspelt_flags_of_our_models_are_told_all_at_once_and_before_anything_heavy_is_imported() -> None:
    code = "import sys; from recbole_cl.cli import main\n"
    code += "assert main(['train', '--model=SRMA', '--temprature=1', '--lr=1', '--tau=1']) == 2\n"
    code += "assert not {'torch', 'recbole', 'numpy', 'pandas'} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, capture_output=True, text=True)
    assert done.stderr.splitlines() == [
        "recbole-cl: error: unknown setting 'temprature'; did you mean temperature? | unknown setting 'lr'; did you "
        "mean learning_rate?"
    ]


def test_other_commands_get_their_own_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(compare, "main", lambda args: seen.append(args) or 0)
    assert cli.main(["compare", "a", "b", "--baseline", "SASRec"]) == 0
    assert [str(path) for path in seen[0].run_dirs] == ["a", "b"]
    assert seen[0].baseline == "SASRec"


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        ([], "recbole-cl: error: the following arguments are required: COMMAND"),
        (["tain"], "recbole-cl: error: argument COMMAND: invalid choice: 'tain'"),
        (["compare"], "recbole-cl: error: the following arguments are required: RUN_DIR"),
        (["compare", "gone"], "recbole-cl: error: "),
        (["compare", "a", "--base=b"], "recbole-cl: error: unrecognized arguments: --base=b; see recbole-cl compare -"),
        (["train", "SASRec"], "recbole-cl: error: unrecognized arguments: SASRec; see recbole-cl train --help"),
        (["models", "all"], "recbole-cl: error: unrecognized arguments: all; see recbole-cl models --help"),
        (["convert"], "recbole-cl: error: the following arguments are required: SOURCE"),
    ],
)
def test_a_wrong_command_is_told_in_one_line(
    capsys: pytest.CaptureFixture[str], argv: list[str], expected: str
) -> None:
    assert cli.main(argv) == 2
    err = capsys.readouterr().err
    assert err.startswith(expected)
    assert err.count("\n") == 1


@pytest.mark.parametrize("command", [["train"], ["compare"], ["convert"], ["models"], ["schema"], []])
def test_every_command_explains_itself(capsys: pytest.CaptureFixture[str], command: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main([*command, "--help"])
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: {' '.join(['recbole-cl', *command])}")


@pytest.mark.parametrize("call", ["train_main(['--help'])", "main(['train', '--help'])"])
def test_help_for_training_loads_nothing_heavy(call: str) -> None:
    code = "import sys; from recbole_cl.cli import main, train_main\n"
    code += f"try: {call}\nexcept SystemExit: assert not {{'torch', 'recbole', 'numpy'}} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, capture_output=True, text=True)
    assert "--contrast=su --temperature=0.5" in done.stdout


def test_the_script_runs_from_any_folder(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "run_recbole_cl.py"), "--epochs"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("run_recbole_cl.py: error: --epochs has no value")


def test_a_value_that_is_no_yaml_is_text(calls: list[SimpleNamespace]) -> None:
    assert cli.train_main(["--user_inter_num_interval=[5,inf)", "--topk=[1, 5]"]) == 0
    assert calls[0].settings["user_inter_num_interval"] == "[5,inf)" and calls[0].settings["topk"] == [1, 5]
    assert cli.train_main(["--wandb_project=2020-13-45"]) == 0  # looks like a date and is none
    assert calls[1].settings["wandb_project"] == "2020-13-45"
