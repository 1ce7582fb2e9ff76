"""Downloading a dataset that RecBole knows by name."""

from __future__ import annotations

import shutil
from logging import getLogger
from pathlib import Path
from urllib.error import URLError
from zipfile import BadZipFile

from recbole.utils.url import decide_download, download_url, extract_zip, rename_atomic_files

from recbole_cl.data.files.names import explain_missing_dataset
from recbole_cl.errors import UsageError


def download_dataset(name: str, url: str, folder: Path) -> None:
    """Downloads and unpacks RecBole's atomic files into a temporary folder, and renames it when it is complete.

    RecBole's own code writes into the final folder, so that a broken download looks like a dataset, and then waits
    for other processes even where there are none, which fails.

    Args:
        name: The dataset's name; the files get it.
        url: A zip file of atomic files.
        folder: Where the dataset goes, ``<root>/<name>``.

    Raises:
        UsageError: If there is no network, or the download is declined; says what to do instead.
    """
    temporary = folder.with_name(f".{folder.name}.download")
    try:
        getLogger().info(f"downloading {name} from {url}")
        if not _is_wanted(url):
            raise UsageError(f"the download of {name} was declined: {explain_missing_dataset(name, folder)}")
        shutil.rmtree(temporary, ignore_errors=True)
        archive = Path(download_url(url, str(temporary)))
        extract_zip(str(archive), str(temporary))
        archive.unlink()
        rename_atomic_files(str(temporary), archive.stem, name)
        temporary.rename(folder)
    except (URLError, RuntimeError, OSError, BadZipFile) as error:
        why = getattr(error, "reason", error)
        raise UsageError(f"{name} could not be downloaded ({why}): {explain_missing_dataset(name, folder)}") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _is_wanted(url: str) -> bool:
    """Has RecBole ask the user about files of more than 1 GB; where nobody can answer, as in a batch job, none is."""
    try:
        return bool(decide_download(url))
    except EOFError:
        return False
