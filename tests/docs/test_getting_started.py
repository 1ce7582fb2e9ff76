"""The ten minutes of docs/getting_started.md, run as the page has them, with small models and few users."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from recbole_cl.cli import main
from recbole_cl.testing.toy import TINY
from tests.docs.pages import ROOT, blocks_of, commands_of

SMALL = TINY | {"train_users_share": 0.02, "epochs": 1}


@pytest.mark.slow
def test_every_block_of_the_page_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    codes, printed = [], ""
    for block in blocks_of(ROOT / "docs" / "getting_started.md"):
        if block.language == "python":
            small = ", ".join(f"{key}={value!r}" for key, value in SMALL.items() if key != "epochs")
            exec(compile(block.text.replace("epochs=1,", f"epochs=1, {small},"), str(block), "exec"), {})
            printed += capsys.readouterr().out
        for command in commands_of(block) if block.language == "sh" else ():
            program, *words = shlex.split(command, comments=True)
            if program != "recbole-cl" or "--help" in words:
                continue  # installs
            if words[0] == "train":
                words = [word for word in words if not word.startswith("--epochs")]
                words += [f"--{key}={value}" for key, value in SMALL.items()]
            given = [it for word in words for it in (map(str, Path().glob(word)) if "*" in word else [word])]
            codes.append(main(given))
            printed += "".join(capsys.readouterr())
    assert codes == [0, 0, 0, 0, 0, 0, 2], printed
    assert len((tmp_path / "recommendations.csv").read_text().splitlines()) == 1 + 943 * 5
    assert re.search(r"^0 +196 +1 +\d+ +-?\d", printed, re.MULTILINE), printed
    assert "did you mean temperature?" in printed and "history removed" in printed
