"""The layout of a run folder, and what becomes of the folder when a run begins, goes on or fails."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import pytest

from recbole_cl.errors import UsageError
from recbole_cl.runs import folder as layout
from recbole_cl.runs.folder import gone_if_useless, new_folder, resumed_folder, usable_when_interrupted

PAGE = Path(__file__).parents[2] / "docs" / "run_folder.md"


@pytest.fixture
def begun(tmp_path: Path) -> Path:
    """The folder of a run that has trained."""
    folder = tmp_path / "begun"
    folder.mkdir()
    for name in ("config.yaml", "best.pth", "last.pth"):
        (folder / name).touch()
    return folder


def test_the_page_names_every_file() -> None:
    names = [value for name, value in vars(layout).items() if name.isupper() and isinstance(value, str)]
    names += layout.RANKS.values()
    named = {name.rstrip("/") for name in re.findall(r"`([\w./]+)`", PAGE.read_text(encoding="utf-8"))}
    assert set(names) - named == {"complement.json"}  # which lies in complement/
    assert layout.RANKS.keys() == {"history_kept", "history_removed"}


def test_a_resumed_run_is_named_by_its_folder_or_a_checkpoint_in_it(begun: Path) -> None:
    assert resumed_folder(begun) == resumed_folder(str(begun / "last.pth")) == begun


@pytest.mark.parametrize("missing", ["config.yaml", "last.pth"])
def test_a_folder_that_lacks_a_file_cannot_be_resumed(begun: Path, missing: str) -> None:
    (begun / missing).unlink()
    with pytest.raises(UsageError) as error:
        resumed_folder(begun)
    assert f"resume = {begun}: no {missing}" in str(error.value) and "give a run folder" in str(error.value)


def test_a_run_whose_complement_was_under_way_goes_on(begun: Path) -> None:
    for name in ("best.pth", "last.pth"):
        (begun / name).unlink()
    (begun / "complement").mkdir()
    (begun / "complement" / "last.pth").touch()
    assert resumed_folder(begun) == begun
    (begun / "best.pth").touch()  # it had begun itself, and its own state is gone
    with pytest.raises(UsageError, match=r"no last\.pth"):
        resumed_folder(begun)


def test_folders_of_the_same_second_are_told_apart(tmp_path: Path) -> None:
    folders = [new_folder(tmp_path / "saved", "DuoRec", "toy", 3) for _ in range(5)]
    assert len(set(folders)) == 5 and all(folder.is_dir() for folder in folders)
    assert all(re.fullmatch(r"DuoRec-toy-3-\d{8}-\d{6}(-\d)?", folder.name) for folder in folders)


def fail_in(folder: Path) -> None:
    with pytest.raises(RuntimeError), gone_if_useless(folder):
        (folder / "log.txt").touch()
        raise RuntimeError


def test_only_a_new_folder_without_any_state_is_removed(tmp_path: Path, begun: Path) -> None:
    fresh, old = tmp_path / "fresh", tmp_path / "old"
    for folder in (fresh, old):
        folder.mkdir()
    (old / "notes.txt").touch()
    for folder in (fresh, old, begun):
        fail_in(folder)
    assert not fresh.exists() and (old / "notes.txt").exists() and (begun / "last.pth").exists()


def test_a_new_run_that_fails_after_it_trained_stays(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), gone_if_useless(tmp_path):
        (tmp_path / "last.pth").touch()
        raise RuntimeError
    assert (tmp_path / "last.pth").exists()


def test_an_interruption_tells_how_to_go_on(begun: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), pytest.raises(KeyboardInterrupt), usable_when_interrupted(begun):
        raise KeyboardInterrupt
    assert str(begun / "last.pth") in caplog.text and f"--resume={begun}" in caplog.text
