"""The tutorial from a shop's CSV to recommendations, run as the page has it."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from recbole_cl.cli import main
from recbole_cl.testing.toy import TINY

PAGE = (Path(__file__).parents[1] / "docs" / "tutorial_shop.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(python|sh|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.slow
def test_every_block_of_the_page_does_what_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    codes: list[int] = []
    printed = ""
    tiny = [f"--{key}={value}" for key, value in TINY.items()]
    for kind, text in BLOCK.findall(PAGE):
        if kind == "text":  # what the command before it prints
            assert [line for line in text.splitlines() if line not in printed] == []
        elif kind == "python":
            exec(compile(text, "tutorial_shop.md", "exec"), {})
            printed = capsys.readouterr().out
        else:
            arguments = shlex.split(text)[1:]
            codes.append(main(arguments + (tiny if arguments[0] == "train" else [])))
            printed = "".join(capsys.readouterr())
    assert codes == [2, 0, 0, 0]
    assert re.fullmatch(
        r" *user +rank +item +score\n(\d +customer7@example.org +\d +000[0-2]\d +-?\d+\.\d+\n){3}", printed
    ), printed
    lines = (tmp_path / "dataset" / "shop" / "shop.inter").read_text().splitlines()
    assert len(lines) == 1 + 960 - 7 and re.fullmatch(r"customer0@example.org\t000\d\d\t17145\d+", lines[1])
    (log,) = (path.read_text() for path in tmp_path.glob("saved/DuoRec*/log.txt"))
    assert "28 of 30 items have a pretrained vector, of 24 values" in log
