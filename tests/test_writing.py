"""Atomic writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from recbole_cl.writing import atomic_write_json, atomic_write_text, atomic_writer


def test_atomic_writes_replace_and_leave_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "new" / "a.json"
    atomic_write_json(target, {"name": "é", "value": 0.1})
    assert json.loads(target.read_text(encoding="utf-8")) == {"name": "é", "value": 0.1}
    atomic_write_text(target, "second\n")
    assert target.read_bytes() == b"second\n"
    assert list(target.parent.iterdir()) == [target]


def test_an_interrupted_write_keeps_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "ranks.npy"
    target.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt), atomic_writer(target) as file:
        file.write(b"half")
        assert target.read_bytes() == b"old"
        raise KeyboardInterrupt
    assert target.read_bytes() == b"old" and list(tmp_path.iterdir()) == [target]
