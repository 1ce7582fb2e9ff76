"""The log of a run: whole in its folder, for a person on the terminal, without colours, and gone when the run ends."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from recbole_cl.runs.logs import logging_to
from recbole_cl.trainer.console import FOR_THE_FILE


def test_lines_go_to_the_file_and_to_the_terminal_without_colours(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with logging_to(tmp_path / "log.txt"):
        logging.getLogger().info("\x1b[1;32mloss\x1b[0m of %s\x07", 3)
        logging.getLogger().info("all metrics", extra={FOR_THE_FILE: True})
        logging.getLogger().debug("not told")
    text = (tmp_path / "log.txt").read_text(encoding="utf-8")
    first, second = text.splitlines()
    assert first.endswith(r" INFO loss of 3\x07") and second.endswith(" INFO all metrics")
    out, err = capsys.readouterr()
    assert out == "" and err.endswith(" loss of 3\\x07\n") and err.count("\n") == 1


def test_a_log_file_on_a_full_disk_disturbs_nobody(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "log.txt").symlink_to("/dev/full")
    with logging_to(tmp_path / "log.txt"):
        logging.getLogger().info("told")
    assert capsys.readouterr().err.endswith(" told\n")


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
