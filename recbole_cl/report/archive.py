"""Runs in one compressed file, read without unpacking it; `python -m recbole_cl.report.archive` makes one.

An archive is a zip file of `<run>/<file>`. It holds the settings, result, environment and user ranks of each run, and
the result and environment of its complementary encoder.
"""

from __future__ import annotations

import argparse
import sys
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path

import yaml

from recbole_cl.config.presets import parse_settings, read_settings
from recbole_cl.errors import UsageError
from recbole_cl.report.store import RunFiles, StoredRun, files_in, read_run
from recbole_cl.runs.folder import COMPLEMENT, CONFIG, ENVIRONMENT, RANKS, RESULT
from recbole_cl.writing import PathLike, atomic_writer

_COMMAND = "python -m recbole_cl.report.archive"
_FILES = (CONFIG, RESULT, ENVIRONMENT, *RANKS.values(), f"{COMPLEMENT}/{RESULT}", f"{COMPLEMENT}/{ENVIRONMENT}")
_PLACES = ("data_path", "checkpoint_dir")  # settings that describe the machine, not the measurement
_MOST_BYTES = 2**28  # size limit of a file: the ranks of 67 million users
_LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the earliest date that a zip file can hold
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError)  # raised by zipfile


def find_runs(path: PathLike) -> list[RunFiles]:
    """The files of all runs that a path stands for.

    Args:
        path: a run folder; an archive, for all its runs; or `<archive>/<run>`, with `*`, `?` and `[...]` in the run's
            name as in a shell.

    Returns:
        One entry for a folder; for an archive, one per run, by name.

    Raises:
        UsageError: there is no such folder or run, or the file is not an archive of runs.
    """
    path = Path(path)
    archive = next((part for part in (path, *path.parents) if part.is_file()), None)
    if archive is None:
        return [files_in(path)]
    names = _runs_in(archive)
    pattern = path.relative_to(archive).as_posix()
    found = names if archive == path else [name for name in names if fnmatchcase(name, pattern)]
    if not found:
        raise UsageError(f"{archive} has no run {pattern}: choose from {', '.join(names) or 'none, it is empty'}")
    return [_archived(archive, name) for name in found]


def load_runs(path: PathLike) -> list[StoredRun]:
    """Read all runs that a path stands for, as found by `find_runs`.

    Raises:
        UsageError: there are none, or one is damaged.
    """
    return [read_run(files) for files in find_runs(path)]


def write_archive(archive: PathLike, runs: Iterable[RunFiles]) -> None:
    """Write runs to one compressed file; the same runs give the same bytes (with the same zlib).

    `data_path` and `checkpoint_dir` are reset to their defaults.

    Args:
        archive: the file; an existing one is replaced in one step, and may itself be among the runs' sources.
        runs: finished runs.

    Raises:
        UsageError: a run is not finished, or two have the same name; or the archive's name does not end in `.zip`.
    """
    if Path(archive).suffix != ".zip":  # it may be a page or a run folder, which would be overwritten
        raise UsageError(f"{archive}: expected the name of the file to write, such as results/<page>.runs.zip")
    members: dict[str, bytes] = {}
    names: set[str] = set()
    for files in runs:
        name = files.path.resolve().name
        if name in names:
            raise UsageError(f"{files.path}: another run has the name {name}, too; rename one of them")
        names.add(name)
        read_run(files)  # refuses a run that could not be read back
        members |= {f"{name}/{file}": content for file, content in _packed(files).items()}
    Path(archive).parent.mkdir(parents=True, exist_ok=True)
    with atomic_writer(archive) as out, zipfile.ZipFile(out, "w") as packed:
        for member, content in sorted(members.items()):
            info = zipfile.ZipInfo(member, _LONG_AGO)
            info.create_system, info.external_attr = 3, 0o644 << 16  # independent of the operating system
            packed.writestr(info, content, zipfile.ZIP_DEFLATED, compresslevel=9)


def main(argv: Sequence[str] | None = None) -> int:
    """Make an archive from the command line.

    Args:
        argv: arguments; those of the process by default.

    Returns:
        The exit code: 0, 2 after a mistake in the input.
    """
    parser = argparse.ArgumentParser(prog=_COMMAND, description="Put finished runs into one compressed file.")
    parser.add_argument("archive", type=Path, metavar="ARCHIVE", help="file to write, such as results/<page>.runs.zip")
    parser.add_argument(
        "runs", nargs="+", metavar="RUN", help="run folder, archive (all its runs), or <archive>/<run>; as for compare"
    )
    args = parser.parse_args(argv)
    try:
        write_archive(args.archive, [files for run in args.runs for files in find_runs(run)])
    except (UsageError, OSError) as error:
        print(f"{_COMMAND}: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    return 0


def _packed(files: RunFiles) -> dict[str, bytes]:
    """The files of a run that an archive stores."""
    contents = {name: content for name in _FILES if (content := files.read(name)) is not None}
    if CONFIG in contents:
        settings = parse_settings(contents[CONFIG], files.path / CONFIG)
        defaults = read_settings("props/overall.yaml")
        settings |= {key: defaults[key] for key in _PLACES if key in settings}
        contents[CONFIG] = yaml.safe_dump(settings, sort_keys=True).encode()
    return contents


def _archived(archive: Path, run: str) -> RunFiles:
    def read(name: str) -> bytes | None:
        with _opened(archive) as packed:
            return _member(archive, packed, f"{run}/{name}")

    return RunFiles(archive / run, read)


def _runs_in(archive: Path) -> list[str]:
    with _opened(archive) as packed:
        return sorted({info.filename.split("/")[0] for info in packed.infolist()})


@contextmanager
def _opened(archive: Path) -> Iterator[zipfile.ZipFile]:
    """Opens an archive if all its members are files of runs, and small enough to be held in memory."""
    try:
        packed = zipfile.ZipFile(archive)
    except _DAMAGED as error:
        raise UsageError(f"{archive} is no archive of runs ({error}): make one with {_COMMAND}") from error
    with packed:
        seen: set[str] = set()
        for info in packed.infolist():
            if problem := _problem(info, seen):
                raise UsageError(f"{archive}: {info.filename!r} {problem}; make the archive with {_COMMAND}")
            seen.add(info.filename)
        yield packed


def _problem(info: zipfile.ZipInfo, seen: set[str]) -> str | None:
    run, _, name = info.filename.partition("/")
    if name not in _FILES or run in ("", ".", "..") or "\\" in run:
        return "is no file of a run, <run>/<file>"
    if info.filename in seen:
        return "occurs twice"
    if info.file_size > _MOST_BYTES:
        return f"has {info.file_size} bytes, more than {_MOST_BYTES}"
    if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "is encrypted, or compressed in another way than by deflate"
    return None


def _member(archive: Path, packed: zipfile.ZipFile, name: str) -> bytes | None:
    info = packed.NameToInfo.get(name)
    if info is None:
        return None
    try:
        with packed.open(info) as file:
            return file.read(info.file_size)  # limited: a stream longer than declared would fill the memory
    except _DAMAGED as error:
        raise UsageError(f"{archive}: {name} is damaged ({error}); restore or remake the archive") from error


if __name__ == "__main__":
    sys.exit(main())
