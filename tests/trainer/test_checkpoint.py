"""Checkpoints: whole or not at all, and nothing but tensors and plain values."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

from recbole_cl import load, run
from recbole_cl.errors import UsageError
from recbole_cl.testing.toy import TINY, write_cycle
from recbole_cl.trainer.checkpoint import load_checkpoint, save_checkpoint


def test_comes_back_as_saved(tmp_path: Path) -> None:
    state: dict[str, Any] = {
        "state_dict": {"w": torch.arange(3.0)},
        "epoch": 4,
        "best": None,
        "names": ["a"],
        "score": -float("inf"),
    }
    save_checkpoint(state, tmp_path / "last.pth")
    loaded = load_checkpoint(tmp_path / "last.pth")
    assert torch.equal(loaded.pop("state_dict")["w"], torch.arange(3.0))
    assert loaded == {"epoch": 4, "best": None, "names": ["a"], "score": -float("inf")}
    assert [path.name for path in tmp_path.iterdir()] == ["last.pth"]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "last.pth"
    save_checkpoint({"state_dict": {}, "epoch": 1}, path)

    def half(state: Any, file: Any) -> None:
        file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(OSError, match="disk full"):
        save_checkpoint({"state_dict": {}, "epoch": 2}, path)
    assert load_checkpoint(path)["epoch"] == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["last.pth"]


def test_a_signal_while_it_is_written_stays_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch's writer fails after it."""

    class Interrupted:
        def __init__(self, file: Any) -> None:
            self.file = file

        def write(self, content: Any) -> int:
            raise KeyboardInterrupt

        def __getattr__(self, name: str) -> Any:
            return getattr(self.file, name)

    save = torch.save
    monkeypatch.setattr(torch, "save", lambda state, file: save(state, Interrupted(file)))
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint({"state_dict": {"w": torch.zeros(1000)}}, tmp_path / "last.pth")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04broken"])
def test_a_damaged_file_gets_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "last.pth").write_bytes(content)
    with pytest.raises(UsageError) as error:
        load_checkpoint(tmp_path / "last.pth")
    assert "\n" not in str(error.value)


def test_one_flipped_bit_is_refused_or_changes_nothing(tmp_path: Path) -> None:
    """Wherever it lies: weights, names, the directory of the file; some bytes, such as dates, mean nothing."""
    state: dict[str, Any] = {
        "state_dict": {"w": torch.arange(300.0), "b": torch.ones(7, dtype=torch.int64)},
        "epoch": 4,
    }
    save_checkpoint(state, path := tmp_path / "last.pth")
    whole, places, refused = path.read_bytes(), torch.Generator().manual_seed(0), 0
    for place in torch.randint(len(whole) * 8, (300,), generator=places).tolist():
        path.write_bytes(flipped(whole, place))
        try:
            loaded = load_checkpoint(path)
        except UsageError as error:
            assert str(path) in str(error) and "\n" not in str(error)
            refused += 1
        else:
            assert loaded.keys() == state.keys() and loaded["epoch"] == 4
            assert all(torch.equal(loaded["state_dict"][key], it) for key, it in state["state_dict"].items())
    assert refused > 100  # torch.load alone refuses a third of these


def flipped(content: bytes, bit: int) -> bytes:
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


@pytest.mark.parametrize(("version", "owner", "taken"), [("2.9.1", 1, False), ("2.9.1", 0, True), ("2.10.0", 1, True)])
def test_a_pytorch_that_can_be_harmed_takes_ones_own_files_alone(
    version: str, owner: int, taken: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_checkpoint({"state_dict": {}}, path := tmp_path / "best.pth")
    monkeypatch.setattr(torch, "__version__", version)
    monkeypatch.setattr("os.getuid", lambda: path.stat().st_uid + owner)
    if taken:
        load_checkpoint(path)
    else:
        with pytest.raises(UsageError, match="belongs to another user.*CVE-2026-24747"):
            load_checkpoint(path)


def test_missing_and_foreign_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no checkpoint"):
        load_checkpoint(tmp_path / "last.pth")
    torch.save({"weights": 1}, tmp_path / "other.pth")
    with pytest.raises(UsageError, match="state_dict"):
        load_checkpoint(tmp_path / "other.pth")


def test_a_checkpoint_with_objects_is_refused(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> Any:
            return print, ("unpickled",)

    folder = run("SASRec", "cycle", epochs=1, **TINY, **write_cycle(tmp_path)).run_dir
    for trap in (Trap(), {"state_dict": Trap()}):
        torch.save(trap, folder / "best.pth")
        with pytest.raises(UsageError, match="refused"):
            load(folder)
    (folder / "best.pth").write_bytes(pickle.dumps({"state_dict": 1})[:-2])
    with pytest.raises(UsageError):
        load(folder)
