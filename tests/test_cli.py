"""The command line, with the training itself replaced."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from recbole_cl import cli
from recbole_cl.cli import Training, main
from recbole_cl.config import models as registry
from recbole_cl.config.common import CommonSettings
from recbole_cl.config.settings import settings_class
from recbole_cl.errors import UsageError
from recbole_cl.runs.build import build_config

ROOT = Path(__file__).parents[1]


class Calls(list[Training]):
    """What the train command asks for, in order."""

    def __call__(self, training: Training) -> None:
        self.append(training)


def asked(*argv: str) -> Training:
    """What the arguments ask for."""
    calls = Calls()
    assert cli.train_main(argv, train=calls) == 0
    (call,) = calls
    return call


def refusal(capsys: pytest.CaptureFixture[str], *argv: str, train: Callable[[Training], None] | None = None) -> str:
    """What the train command refuses its arguments with: one line on stderr, exit code 2."""
    calls = Calls()
    assert cli.train_main(argv, train=train or calls) == 2 and calls == []
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("run_recbole_cl.py: error: ")
    return err


def chosen(call: Training) -> tuple[str, str]:
    """The model and the dataset that a run would choose."""
    config = build_config(call.model, call.dataset, call.config_files, {})
    return config["model"], config["dataset"]


def test_no_arguments_mean_duorec_on_ml_100k() -> None:
    call = asked()
    assert call == Training(None, None, [], {}, None) and chosen(call) == ("DuoRec", "ml-100k")


def test_flags_and_settings_are_told_apart(tmp_path: Path) -> None:
    one, two = tmp_path / "1.yaml", tmp_path / "2.yaml"
    one.write_text("model: GRU4Rec\ndataset: ml-1m\n")
    two.write_text("epochs: 3\n")
    argv = ["-m", "SASRec", "--dataset=toy", "--config_files", f"{one} {two}", "--learning_rate", "1e-3", "--seed=7"]
    argv += ["--topk=[5, 10]", "--weight_decay", "-1", "--gpu_id=", "--eval_args={group_by: ~}", "--checkpoint_dir=a=b"]
    calls = Calls()
    assert cli.main(["train", *argv], train=calls) == 0
    (call,) = calls
    assert call == asked(*argv)
    assert (call.model, call.dataset, call.config_files) == ("SASRec", "toy", [str(one), str(two)])
    assert call.settings == {
        "learning_rate": 0.001,
        "seed": 7,
        "topk": [5, 10],
        "weight_decay": -1,
        "gpu_id": None,
        "eval_args": {"group_by": None},
        "checkpoint_dir": "a=b",
    }


def test_model_and_dataset_may_stand_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("model: GRU4Rec\ndataset: ml-1m\n")
    assert chosen(asked(f"--config_files={path}")) == ("GRU4Rec", "ml-1m")


@pytest.mark.parametrize(
    ("argv", "seeds"),
    [
        (["--seeds=1,5,3"], [1, 5, 3]),
        (["--seeds", "4,"], [4]),
        (["--seeds=2", "--seed=11"], [11, 12]),
        (["--seeds=1"], [2020]),
    ],
)
def test_seeds_are_a_list_or_a_number_of_runs(argv: list[str], seeds: list[int]) -> None:
    call = asked("-m", "GRU4Rec", *argv)
    assert call.seeds == seeds and call.settings == {}


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["--seeds=0"], "--seeds=0: expected a number of runs >= 1, or a list of seeds such as 1,2,3"),
        (["--seeds=a"], "--seeds=a: expected"),
        (["--seeds=20000000"], "--seeds=20000000: expected at most 1000 runs"),
        (["--seeds=-1"], "--seeds=-1: expected"),
        (["--seeds=1,2", "--seed=3"], "--seed=3 can't be combined with --seeds=1,2: leave one out"),
        (["--seeds=2", "--epochs=-1"], "epochs = -1: expected an integer >= 0"),
        (["-m", "SASRec", "--model=DuoRec"], "--model is given twice, as SASRec and as DuoRec"),
        (["--epochs=1", "--epochs", "2"], "--epochs is given twice, as 1 and as 2"),
        (["--epochs"], "--epochs has no value: write --epochs=VALUE, for a switch --epochs=True"),
        (["--shuffle", "--epochs=1"], "--shuffle has no value"),
        (["-m"], "-m has no value"),
        (["--resume="], "--resume is empty: give it a value (~ for none), or leave it out; is a shell variable"),
        (["--dataset="], "--dataset is empty"),
        (["-m", ""], "-m is empty"),
        (["--config_files= "], "--config_files is empty"),
        (["SASRec"], "unrecognized arguments: SASRec; see run_recbole_cl.py --help"),
    ],
)
def test_a_mistake_is_told_in_one_line(capsys: pytest.CaptureFixture[str], argv: list[str], expected: str) -> None:
    assert expected in refusal(capsys, *argv)


def test_the_same_value_twice_is_no_mistake() -> None:
    assert asked("--epochs=1", "--epochs=1", "-m", "SASRec", "-m", "SASRec").settings == {"epochs": 1}


def test_a_refusal_of_the_run_is_told_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(training: Training) -> None:
        raise UsageError("one\n  two")

    assert refusal(capsys, train=refuse) == "run_recbole_cl.py: error: one two\n"


def test_an_interruption_ends_with_130(capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(training: Training) -> None:
        raise KeyboardInterrupt

    assert cli.main(["train"], train=interrupt) == 130
    assert capsys.readouterr().err == "recbole-cl: interrupted\n"


def test_a_bug_is_not_hidden() -> None:
    def fail(training: Training) -> None:
        raise ValueError("bug")

    with pytest.raises(ValueError, match="bug"):
        cli.train_main([], train=fail)


def test_what_is_asked_for_is_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.train_main(["-m", "SASRec", "--epochs=-1"]) == 2
    assert "epochs = -1" in capsys.readouterr().err
    assert cli.main(["train", "-m", "SASRec", "--seeds=1,1"]) == 2
    assert "1, 1" in capsys.readouterr().err
    assert cli.main(["train", "--config_files=gone.yaml"]) == 2
    assert capsys.readouterr().err.startswith("recbole-cl: error: gone.yaml: cannot be read")


def test_models_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == registry.available_models()
    assert all(20 < len(line) <= 120 or line.endswith("RecBole's") for line in lines) and any(
        line.startswith("DuoRec ") and "contrast between dropout views and" in line for line in lines
    )


def test_versions_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["--version"])
    assert caught.value.code == 0 and ", recbole 1.2.1, torch 2." in capsys.readouterr().out


def test_the_settings_of_a_model_are_listed_with_range_default_and_the_papers_value(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["models", "--settings", "CoSeRec"]) == 0
    out = capsys.readouterr().out
    assert "contrastive_weight: 0.1\n    range: a number >= 0; lambda\n    about: lambda, weight of" in out
    assert "    paper: searched in {0.1, 0.2, 0.3, 0.4, 0.5} (CoSeRec, section 5.1.4)\n" in out
    assert "    paper: searched in {0.005, 0.01, 0.05, 0.1, 0.5, 1.0} (SRMA, section 5.1)\n" in out
    assert "\n    paper: 0.001 (CoSeRec, section 5.1.4)\n" in out
    assert "\nseed: 2020\n    range: an integer in [0, 4294967295]\n" in out
    assert {line.split(":")[0] for line in out.splitlines() if line[0] != " "} == {
        *settings_class(registry.model_class("CoSeRec")).model_fields,
        *CommonSettings.model_fields,
    } - {"model", "dataset"}
    assert cli.main(["models", "--settings", "GRU4Rec"]) == 0
    assert "loss_type: CE\n    range: one of CE, BPR" in capsys.readouterr().out


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


def test_other_commands_get_their_own_arguments(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert cli.main(["compare", str(tmp_path / "a"), str(tmp_path / "b"), "--baseline", "SASRec"]) == 2
    assert f"{tmp_path / 'a'}:" in capsys.readouterr().err


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


@pytest.mark.parametrize("command", [["train"], ["tune"], ["compare"], ["convert"], ["models"], ["schema"], []])
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


def test_help_keeps_the_letters_of_names(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["convert-checkpoint", "--help"])
    assert "Turn a SASRec of RecBole's into a run folder" in capsys.readouterr().out


def test_the_script_runs_from_any_folder(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "run_recbole_cl.py"), "--epochs"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("run_recbole_cl.py: error: --epochs has no value")


def test_a_value_that_is_no_yaml_is_text() -> None:
    assert asked("--user_inter_num_interval=[5,inf)", "--topk=[1, 5]").settings == {
        "user_inter_num_interval": "[5,inf)",
        "topk": [1, 5],
    }
    assert asked("--wandb_project=2020-13-45").settings == {"wandb_project": "2020-13-45"}  # looks like a date
