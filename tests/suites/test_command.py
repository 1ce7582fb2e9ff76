"""The command `suite`: from a file to a page, what it refuses, and what it would take."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from recbole_cl import suite
from recbole_cl.cli import main
from recbole_cl.suites import work
from recbole_cl.suites.job import carry_out_here
from recbole_cl.suites.plan import Choice
from tests.suites.conftest import WriteSuite


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs are done in the test's own process, which has RecBole imported."""
    monkeypatch.setattr(work, "in_processes", lambda bar, environment: carry_out_here)


def flags(toy: Choice) -> list[str]:
    return [flag for key, value in toy.settings.items() for flag in ("--set", f"{key}={value}")]


@pytest.mark.usefixtures("here")
def test_a_suite_is_stopped_and_started_and_leaves_a_page(
    write_suite: WriteSuite, toy: Choice, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_suite(variants=["SASRec", "CL4SRec"], metrics=["hit@10"])
    command = ["suite", str(path), *flags(toy)]
    assert main([*command, "--dry-run"]) == 0
    assert "2 runs" in capsys.readouterr().out
    assert main([*command, "--limit-hours", "0"]) == 0
    assert "2 runs: 2 to do." in capsys.readouterr().out
    assert main([*command, "--variants", "CL4SRec"]) == 0
    assert main(command) == 0
    assert "2 runs: 2 done." in capsys.readouterr().out
    page = Path(toy.settings["checkpoint_dir"]) / "toys.md"
    assert "| SASRec" in page.read_text() and "## Significance" in page.read_text()
    folders = sorted(folder.name for folder in page.parent.iterdir() if folder.is_dir())
    assert len(folders) == 2 and folders[0].startswith("CL4SRec-cycle-1-")
    done: Any = suite(path, **toy.settings)
    assert [run.model for run in done.groups["cycle"]] == ["SASRec", "CL4SRec"] and not done.failures
    assert sorted(folder.name for folder in page.parent.iterdir() if folder.is_dir()) == folders


@pytest.mark.usefixtures("here")
def test_a_failure_is_told_in_the_exit_code_and_tried_again_when_asked(
    write_suite: WriteSuite, toy: Choice, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["suite", str(write_suite()), *flags(toy), "--set", "topk=[5, 10, 50]"]
    assert main(command) == 1 and "topk = 50" in capsys.readouterr().out
    (failure,) = Path(toy.settings["checkpoint_dir"]).glob("*/failed.json")
    failure.write_text('{"reason": "a reason of old"}')
    assert main(command) == 1 and "a reason of old" in capsys.readouterr().out
    assert main([*command, "--retry-failed"]) == 1 and "topk = 50" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["quik"], "no suite quik: did you mean quick"),
        (["quick", "--seeds", "two"], "--seeds=two: expected a number"),
        (["quick", "--set", "epochs"], "--set epochs: expected KEY=VALUE"),
        (["quick", "--variants", "SASRek"], "variants = SASRek: the suite has SASRec"),
        (["quick", "--set", "epoch=1"], "unknown setting 'epoch'; did you mean epochs"),
        (["no-such.yaml"], "no-such.yaml: cannot be read"),
    ],
)
def test_mistakes_are_told_in_one_line(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["suite", *arguments]) == 2
    assert words in capsys.readouterr().err


def test_a_misspelt_name_is_told_before_torch_is_imported() -> None:
    script = "import sys; from recbole_cl.cli import main; main(['suite', 'quik']); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stdout == "False\n" and "did you mean quick" in done.stderr


@pytest.mark.slow
@pytest.mark.usefixtures("here")
def test_quick_is_stopped_and_started_on_ml_100k(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With some of its methods; that the others' settings fit is tested with all suites."""
    methods = ["S3Rec_MIP", "ICSRec", "DuoRec"]
    tiny: dict[str, Any] = {
        "hidden_size": 8,
        "inner_size": 8,
        "n_layers": 1,
        "n_heads": 1,
        "epochs": 1,
        "pretrain_epochs": 0,
    }
    tiny |= {"train_batch_size": 512, "n_intents": 8, "checkpoint_dir": tmp_path, "use_gpu": False}
    command = ["suite", "quick", "--seeds", "1", *(f"--set={key}={value}" for key, value in tiny.items())]
    for chosen, flags, done in ((methods, ["--limit-hours", "0"], 0), (methods[:2], [], 2), (methods, [], 3)):
        assert main([*command, "--variants", *chosen, *flags]) == 0
        assert len(list(tmp_path.glob("*/result.json"))) == done
    assert "3 runs: 3 done." in capsys.readouterr().out
    page = (tmp_path / "quick.md").read_text(encoding="utf-8")
    assert all(f"| {name}" in page for name in methods)
