"""Downloading: unpacked under the dataset's name, or one clear line and no half-made folder."""

from __future__ import annotations

import io
import sys
import zipfile
from pathlib import Path

import pytest

from recbole_cl.data.files.download import download_dataset
from recbole_cl.errors import UsageError


def test_files_arrive_under_the_datasets_name(tmp_path: Path) -> None:
    archive = tmp_path / "Amazon_Beauty.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("Amazon_Beauty.inter", "user_id:token\n1\n")
    download_dataset("amazon-beauty", archive.as_uri(), tmp_path / "dataset" / "amazon-beauty")
    folder = tmp_path / "dataset" / "amazon-beauty"
    assert [path.name for path in folder.iterdir()] == ["amazon-beauty.inter"]
    assert [path.name for path in folder.parent.iterdir()] == ["amazon-beauty"]


def test_without_network_the_message_says_what_to_do_and_nothing_is_left(tmp_path: Path) -> None:
    missing = (tmp_path / "missing.zip").as_uri()
    with pytest.raises(UsageError, match="recbole-cl convert"):
        download_dataset("amazon-beauty", missing, tmp_path / "dataset" / "amazon-beauty")
    assert not (tmp_path / "dataset" / "amazon-beauty").exists()


def test_a_download_that_nobody_can_agree_to_is_declined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """RecBole asks before more than 1 GB; a batch job has no standard input."""
    archive = tmp_path / "yelp.zip"
    with archive.open("wb") as file:
        file.truncate(2 << 30)  # takes no place
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    with pytest.raises(UsageError, match="yelp was declined.*recbole-cl convert"):
        download_dataset("yelp", archive.as_uri(), tmp_path / "dataset" / "yelp")
    assert list(tmp_path.iterdir()) == [archive]
