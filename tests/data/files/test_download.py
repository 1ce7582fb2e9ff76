"""Downloading: unpacked under the dataset's name, or one clear line and no half-made folder."""

from __future__ import annotations

import io
import sys
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from recbole_cl.data.files import download
from recbole_cl.data.files.download import download_dataset
from recbole_cl.errors import UsageError


def zipped(folder: Path) -> Path:
    archive = folder / "Amazon_Beauty.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("Amazon_Beauty.inter", "user_id:token\n1\n")
    return archive


def test_files_arrive_under_the_datasets_name(tmp_path: Path) -> None:
    archive = zipped(tmp_path)
    download_dataset("amazon-beauty", archive.as_uri(), tmp_path / "dataset" / "amazon-beauty")
    folder = tmp_path / "dataset" / "amazon-beauty"
    assert [path.name for path in folder.iterdir()] == ["amazon-beauty.inter"]
    assert [path.name for path in folder.parent.iterdir()] == ["amazon-beauty"]


def test_without_network_the_message_says_what_to_do_and_nothing_is_left(tmp_path: Path) -> None:
    missing = (tmp_path / "missing.zip").as_uri()
    with pytest.raises(UsageError, match="recbole-cl convert"):
        download_dataset("amazon-beauty", missing, tmp_path / "dataset" / "amazon-beauty")
    assert not (tmp_path / "dataset" / "amazon-beauty").exists()


def test_a_transfer_that_breaks_off_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zipped(tmp_path)
    calls = []

    def shaky(url: str, timeout: float) -> Any:
        calls.append(timeout)
        if len(calls) < 3:
            raise URLError("connection reset")
        return urlopen(url, timeout=timeout)

    monkeypatch.setattr(download, "urlopen", shaky)
    monkeypatch.setattr(download, "_WAIT_S", 0)
    download_dataset("amazon-beauty", (tmp_path / "Amazon_Beauty.zip").as_uri(), tmp_path / "data" / "amazon-beauty")
    assert calls == [60, 60, 60] and (tmp_path / "data" / "amazon-beauty" / "amazon-beauty.inter").is_file()


def test_archives_that_are_damaged_or_too_large_leave_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = zipped(tmp_path)
    monkeypatch.setattr(download, "_LARGEST", 3)
    with pytest.raises(UsageError, match="unpacked it would take 16 bytes, of 3 at most"):
        download_dataset("beauty", archive.as_uri(), tmp_path / "data" / "beauty")
    monkeypatch.setattr(download, "_LARGEST", 1 << 20)
    archive.write_bytes(archive.read_bytes().replace(b"user_id", b"user_ld"))  # its checksum is another now
    with pytest.raises(UsageError, match="Bad CRC-32"):
        download_dataset("beauty", archive.as_uri(), tmp_path / "data" / "beauty")
    assert list((tmp_path / "data").iterdir()) == []


def test_of_four_at_once_one_downloads_and_the_others_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url, calls = zipped(tmp_path).as_uri(), []

    def slow(url: str, timeout: float) -> Any:
        calls.append(url)
        time.sleep(0.1)
        return urlopen(url, timeout=timeout)

    monkeypatch.setattr(download, "urlopen", slow)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: download_dataset("beauty", url, tmp_path / "data" / "beauty"), range(4)))
    assert calls == [url] and (tmp_path / "data" / "beauty").is_dir()


def test_a_download_that_nobody_can_agree_to_is_declined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """RecBole asks before more than 1 GB; a batch job has no standard input."""
    archive = tmp_path / "yelp.zip"
    with archive.open("wb") as file:
        file.truncate(2 << 30)  # takes no place
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    with pytest.raises(UsageError, match="yelp was declined.*recbole-cl convert"):
        download_dataset("yelp", archive.as_uri(), tmp_path / "dataset" / "yelp")
    assert {path.name for path in tmp_path.iterdir()} == {"yelp.zip", "dataset"}
    assert list((tmp_path / "dataset").iterdir()) == []
