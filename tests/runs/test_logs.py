"""The log of a run: in its folder without colours, on the terminal with them, and gone when the run ends."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from recbole_cl.runs.logs import logging_to


def test_lines_go_to_the_file_without_colours_and_to_the_terminal_with_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with logging_to(tmp_path / "log.txt"):
        logging.getLogger().info("\x1b[1;32mloss\x1b[0m of %s", 3)
        logging.getLogger().debug("not told")
    text = (tmp_path / "log.txt").read_text(encoding="utf-8")
    assert text.endswith(" INFO loss of 3\n") and text.count("\n") == 1
    assert "\x1b[1;32mloss\x1b[0m of 3" in capsys.readouterr().err


def test_a_run_that_goes_on_appends_and_leaves_no_handler(tmp_path: Path) -> None:
    root = logging.getLogger()
    before = root.level, list(root.handlers)
    for number in (1, 2):
        with pytest.raises(KeyboardInterrupt), logging_to(tmp_path / "log.txt", "debug"):
            root.debug("part %s", number)
            raise KeyboardInterrupt
    assert (root.level, root.handlers) == before
    lines = (tmp_path / "log.txt").read_text(encoding="utf-8").splitlines()
    assert [line.split(" DEBUG ")[1] for line in lines] == ["part 1", "part 2"]
