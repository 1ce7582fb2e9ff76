"""Downloads a dataset that RecBole knows by name."""

from __future__ import annotations

import shutil
import time
from http.client import HTTPException
from logging import getLogger
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen
from zipfile import BadZipFile, ZipFile

from filelock import FileLock
from recbole.utils.url import rename_atomic_files

from recbole_cl.data.files.names import explain_missing_dataset
from recbole_cl.errors import UsageError

_SILENCE_S, _LONGEST_S = 60, 3600  # time limits: without receiving a byte, and in total
_TRIES, _WAIT_S = 3, 2  # the waiting time doubles after each try
_ASKED_ABOVE = 1 << 30  # bytes; RecBole's own limit
_LARGEST = 50 << 30  # bytes, unpacked
_CHUNK = 1 << 20


def download_dataset(name: str, url: str, folder: Path) -> None:
    """Downloads and unpacks RecBole's atomic files into a temporary folder, and renames it when it is complete.

    If several processes need the dataset, one downloads it and the others wait. A transfer is tried three times; it
    ends after a minute without data, or after an hour. Every file is checked against the checksum in the archive.

    Args:
        name: The dataset's name, which is also given to the files.
        url: A zip file of atomic files.
        folder: The target folder, ``<root>/<name>``.

    Raises:
        UsageError: If there is no network, the archive is damaged or too large, or the download is declined; the
            message says what to do instead.
    """
    temporary = folder.with_name(f".{folder.name}.download")
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = folder.with_name(f".{folder.name}.lock")
    with FileLock(lock):
        try:
            if folder.exists():  # made by another process, while this one waited
                return
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir()
            getLogger().info(f"downloading {name} from {url}")
            archive = temporary / url.rpartition("/")[2]
            _fetch(name, url, archive, folder)
            _unpack(archive, temporary)
            archive.unlink()
            rename_atomic_files(str(temporary), archive.stem, name)
            temporary.rename(folder)
        except (HTTPException, RuntimeError, OSError, BadZipFile, NotImplementedError) as error:
            why = getattr(error, "reason", error)
            what = explain_missing_dataset(name, folder)
            raise UsageError(f"{name} could not be downloaded ({why}): {what}") from None
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
            lock.unlink(missing_ok=True)


def _fetch(name: str, url: str, archive: Path, folder: Path) -> None:
    """Transfers a file, and tries again if that may help."""
    end = time.monotonic() + _LONGEST_S
    for attempt in range(1, _TRIES + 1):
        try:
            _transfer(name, url, archive, folder, end)
            return
        except (HTTPException, OSError) as error:
            hopeless = isinstance(error, HTTPError) and 400 <= error.code < 500
            is_missing = isinstance(getattr(error, "reason", None), FileNotFoundError)  # for a file: address
            if attempt == _TRIES or hopeless or is_missing or isinstance(error, TimeoutError):
                raise
            getLogger().warning(f"{url}: {error}; trying again")
            time.sleep(_WAIT_S * 2 ** (attempt - 1))


def _transfer(name: str, url: str, archive: Path, folder: Path, end: float) -> None:
    with urlopen(url, timeout=_SILENCE_S) as source, archive.open("wb") as target:
        size = int(source.headers.get("Content-Length") or 0)
        if size > _ASKED_ABOVE and not _is_wanted(size):
            raise UsageError(f"the download of {name} was declined: {explain_missing_dataset(name, folder)}")
        while chunk := source.read(_CHUNK):
            target.write(chunk)
            if time.monotonic() > end:
                raise TimeoutError(f"it took more than {_LONGEST_S} s")
        if size and target.tell() != size:
            raise URLError(f"it ended after {target.tell():,} of {size:,} bytes")


def _unpack(archive: Path, folder: Path) -> None:
    with ZipFile(archive) as file:
        size = sum(member.file_size for member in file.infolist())
        free = shutil.disk_usage(folder).free
        if size > min(_LARGEST, free):
            raise OSError(f"unpacked it would take {size:,} bytes, of {min(_LARGEST, free):,} at most")
        file.extractall(folder)


def _is_wanted(size: int) -> bool:
    """Asks the user about a large file; without a user, as in a batch job, the answer is no."""
    try:
        return input(f"This will download {size / 2**30:.2f} GB. Go on? (y/N) ").strip().lower() == "y"
    except EOFError:
        return False
