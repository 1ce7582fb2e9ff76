"""Names of datasets: what RecBole downloads, suggestions for mistyped names, and advice on missing datasets."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path

import recbole
import yaml

from recbole_cl.errors import UsageError


def downloadable_names() -> list[str]:
    """Lists the datasets that RecBole downloads by name."""
    urls = Path(recbole.__file__).parent / "properties" / "dataset" / "url.yaml"
    return sorted(yaml.safe_load(urls.read_text(encoding="utf-8")))


def nearest_names(name: str, data_path: Path) -> list[str]:
    """Finds names close to a mistyped one, among the datasets in the same folder and those that RecBole downloads.

    Args:
        name: The name asked for.
        data_path: The expected folder of that dataset, ``<root>/<name>``.

    Returns:
        At most three names, the nearest first.
    """
    local = {folder.name for folder in data_path.parent.glob("*") if (folder / f"{folder.name}.inter").is_file()}
    known = {known.casefold(): known for known in sorted(local | set(downloadable_names()))}
    folded = name.casefold().replace("_", "-")
    return [known[key] for key in difflib.get_close_matches(folded, known, n=3, cutoff=0.6)]


def explain_missing_dataset(name: str, data_path: Path) -> str:
    """Says what to do about a dataset that is missing and cannot be downloaded.

    Args:
        name: The dataset's name.
        data_path: The expected folder, ``<root>/<name>``; this is RecBole's ``data_path`` once a Config is made.

    Returns:
        One line, which may also be appended to the message of a failed download.
    """
    convert = f"make it from your own file with `recbole-cl convert SOURCE --name {name} --output {data_path.parent}`"
    place = f"or put an atomic file at {data_path / f'{name}.inter'}"
    if name in downloadable_names():
        return f"dataset {name!r} is not in {data_path.parent} and RecBole could not download it: {convert}, {place}"
    nearest = nearest_names(name, data_path)
    hint = f"did you mean {' or '.join(nearest)}? Otherwise " if nearest else ""
    hint = (
        f"to read that file, give run(dataset=Path({name!r}), name=...). Otherwise " if Path(name).is_file() else hint
    )
    unknown = f"dataset {name!r} is not in {data_path.parent} and RecBole knows none of that name"
    return f"{unknown}: {hint}{convert}, {place}"


def ensure_dataset_available(name: str, data_path: Path, parts: Sequence[str] | None = None) -> None:
    """Refuses a dataset that is neither on disk nor known to RecBole; leaves the download of a known one to RecBole.

    Args:
        name: The dataset's name.
        data_path: The expected folder, ``<root>/<name>``; this is RecBole's ``data_path`` once a Config is made.
        parts: Names of its parts, if the data are presplit.

    Raises:
        UsageError: If the folder exists without its ``.inter`` file, or does not exist and RecBole has no address for
            the name; the message suggests the nearest names.
    """
    if parts:
        files = [data_path / f"{name}.{part}.inter" for part in parts]
        if missing := [str(file) for file in files if not file.is_file()]:
            raise UsageError(f"benchmark_filename = {list(parts)}: there is no {', '.join(missing)}")
    elif not data_path.exists():
        if name not in downloadable_names():
            raise UsageError(explain_missing_dataset(name, data_path))
    elif not (data_path / f"{name}.inter").is_file():
        raise UsageError(
            f"{data_path} has no {name}.inter: make it with `recbole-cl convert SOURCE --name {name} "
            f"--output {data_path.parent}`, or remove the folder to have RecBole download a dataset that it knows"
        )
