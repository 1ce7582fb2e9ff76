"""A dataset's name: known, mistyped, or that of a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from recbole_cl.data.files.names import (
    downloadable_names,
    ensure_dataset_available,
    explain_missing_dataset,
    nearest_names,
)
from recbole_cl.errors import UsageError


def dataset(folder: Path, name: str = "shop") -> Path:
    """Makes a dataset's folder with its file."""
    (folder / name).mkdir()
    (folder / name / f"{name}.inter").touch()
    return folder / name


def test_known_names_and_present_folders_are_left_to_recbole(tmp_path: Path) -> None:
    ensure_dataset_available("shop", dataset(tmp_path))
    ensure_dataset_available("ml-1m", tmp_path / "ml-1m")


def test_a_folder_without_its_file_tells_how_to_make_it(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    with pytest.raises(UsageError, match="has no shop.inter: make it with `recbole-cl convert SOURCE --name shop"):
        ensure_dataset_available("shop", tmp_path / "shop")


def test_an_unknown_name_is_refused_with_the_nearest_ones(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean amazon-beauty") as error:
        ensure_dataset_available("Amazon_beuty", tmp_path / "Amazon_beuty")
    assert "recbole-cl convert SOURCE --name Amazon_beuty" in str(error.value)


def test_the_path_of_a_file_as_text_is_told_how_to_give_it(tmp_path: Path) -> None:
    file = tmp_path / "log.csv"
    file.touch()
    with pytest.raises(UsageError, match=r"give run\(dataset=Path\('.*log.csv'\), name=\.\.\.\)"):
        ensure_dataset_available(str(file), tmp_path / "elsewhere" / "log.csv")


def test_datasets_on_disk_are_among_the_nearest_names(tmp_path: Path) -> None:
    dataset(tmp_path)
    assert nearest_names("shpo", tmp_path / "shpo") == ["shop"]
    assert nearest_names("q9#zz", tmp_path / "q9#zz") == []


def test_a_failed_download_is_explained(tmp_path: Path) -> None:
    message = explain_missing_dataset("ml-1m", tmp_path / "ml-1m")
    assert "could not download" in message
    assert str(tmp_path / "ml-1m" / "ml-1m.inter") in message
    assert "\n" not in message


def test_recboles_names_are_read_from_recbole() -> None:
    assert {"ml-1m", "yelp", "amazon-toys-games"} <= set(downloadable_names())
