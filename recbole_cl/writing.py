"""Writes files so that they are never seen half-written."""

from __future__ import annotations

import json
import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from recbole_cl.distributed.processes import world

PathLike = str | os.PathLike[str]

_LEFTOVER = re.compile(r"\..+\.[0-9a-f]{32}\.tmp")


@contextmanager
def atomic_writer(path: PathLike) -> Iterator[BinaryIO]:
    """Open `path` for writing so that it appears complete or not at all.

    If several processes train a run together, only the first one writes; the output of the others is discarded.

    A link is kept, and its target is replaced. If the path is not a regular file, such as a device or a pipe, it is
    written to directly.

    Args:
        path: the file to write or replace, in a folder that exists.

    Returns:
        A binary file, for `torch.save`, `numpy.save` and the like; it gets its name when the block ends without error.
    """
    target = Path(path) if world().rank == 0 else Path(os.devnull)
    if target.exists() and not target.is_file():
        with target.open("wb") as device:
            yield device
        return
    target = target.resolve()
    temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex}.tmp")  # same folder: a rename stays on one disk
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except OSError as error:
        if error.errno is None:  # numpy's errors have only a text
            raise OSError(f"{target}: {error}") from error
        error.filename = str(target)  # a write that the system refuses does not report a name
        raise
    finally:
        temporary.unlink(missing_ok=True)


def remove_leftovers(folder: Path) -> None:
    """Remove what interrupted writes have left in a folder and below; nobody else may be writing there."""
    for path in folder.glob("**/.*.tmp"):
        if _LEFTOVER.fullmatch(path.name):
            path.unlink(missing_ok=True)


def atomic_write_text(path: PathLike, text: str) -> None:
    """Write `text` as UTF-8 to `path`, complete or not at all."""
    with atomic_writer(path) as file:
        file.write(text.encode())


def atomic_write_json(path: PathLike, value: Any) -> None:
    """Write `value` as indented JSON to `path`, complete or not at all."""
    atomic_write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")
