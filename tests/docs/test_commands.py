"""Every command of the documentation: its program takes it, and the models, settings and suites that it names exist."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from recbole_cl.config.presets import parse_yaml
from recbole_cl.suites.plan import Choice, plan
from recbole_cl.suites.schema import Suite
from tests.docs.commands import check
from tests.docs.methods import my_methods
from tests.docs.pages import ROOT, Block, blocks, blocks_of, commands_of, inline_commands

pytestmark = pytest.mark.usefixtures("my_methods")
__all__ = ["my_methods"]


@pytest.mark.parametrize("block", blocks("sh", "bash"), ids=str)
def test_commands_in_blocks(block: Block, capsys: pytest.CaptureFixture[str]) -> None:
    if block.text.startswith("#!"):  # a script for a cluster, which tests/distributed runs
        subprocess.run(["bash", "-n"], input=block.text, text=True, check=True)
        return
    if (expected := block.follows).startswith("recbole-cl: error:"):
        with pytest.raises(AssertionError):
            check(commands_of(block)[0])
        assert capsys.readouterr().err == expected
        return
    for command in commands_of(block):
        if not command.startswith("--model="):  # flags of `train`: test_experiments.py builds each model
            check(command)


@pytest.mark.parametrize(("page", "command"), [*inline_commands()], ids=lambda it: getattr(it, "name", str(it)))
def test_commands_in_the_text(page: Path, command: str) -> None:
    check(command.replace("...", ""))


def test_the_suite_that_the_page_writes_can_be_planned(tmp_path: Path) -> None:
    text = next(it.text for it in blocks_of(ROOT / "docs" / "suites.md") if it.language == "yaml")
    suite = Suite.model_validate(parse_yaml(text))
    runs = plan(suite, Choice(settings={"checkpoint_dir": str(tmp_path), "use_gpu": False}))
    assert len(runs) == 2 * 3 * (1 + 1 + 3 + 2)
