"""Atomic writes."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from recbole_cl.writing import atomic_write_json, atomic_write_text, atomic_writer, remove_leftovers


def test_atomic_writes_replace_and_leave_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    atomic_write_json(target, {"name": "é", "value": 0.1})
    assert json.loads(target.read_text(encoding="utf-8")) == {"name": "é", "value": 0.1}
    atomic_write_text(target, "second\n")
    assert target.read_bytes() == b"second\n"
    assert list(target.parent.iterdir()) == [target]


def test_a_folder_that_is_gone_is_not_made_again(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        atomic_write_text(tmp_path / "gone" / "a.json", "")
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_write_keeps_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "ranks.npy"
    target.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt), atomic_writer(target) as file:
        file.write(b"half")
        assert target.read_bytes() == b"old"
        raise KeyboardInterrupt
    assert target.read_bytes() == b"old" and list(tmp_path.iterdir()) == [target]


def test_a_link_stays_and_a_pipe_is_written_to(tmp_path: Path) -> None:
    file, link = tmp_path / "file", tmp_path / "link"
    file.write_text("old")
    link.symlink_to(file)
    atomic_write_text(link, "new")
    assert link.is_symlink() and file.read_text() == "new"
    os.mkfifo(pipe := tmp_path / "pipe")
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    atomic_write_text(pipe, "through")
    assert os.read(reader, 99) == b"through" and pipe.is_fifo()
    os.close(reader)
    atomic_write_text(os.devnull, "nowhere")
    assert not Path(os.devnull).is_file()


def test_what_a_killed_write_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "complement").mkdir()
    leftovers = [tmp_path / name for name in (f".last.pth.{'a1' * 16}.tmp", f"complement/.best.pth.{'0' * 32}.tmp")]
    others = [tmp_path / name for name in ("a.tmp", ".mine.tmp", "last.pth")]
    for path in (*leftovers, *others):
        path.touch()
    remove_leftovers(tmp_path)
    assert {*tmp_path.rglob("*")} == {*others, tmp_path / "complement"}
