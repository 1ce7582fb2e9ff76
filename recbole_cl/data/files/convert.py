"""Turns csv, json-lines and sequence-text files into RecBole atomic files: ``recbole-cl convert``."""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from recbole_cl.data.files.columns import ITEM, TIME, USER, Columns
from recbole_cl.data.files.output import DEFAULT_OUTPUT, Output, Statistics, atomic_text
from recbole_cl.data.files.readers import read_csv, read_jsonl, read_sequences
from recbole_cl.errors import UsageError

DEFAULT_COLUMNS = Columns()
FORMATS = ("csv", "jsonl", "sequences")
_ENDINGS = {".csv": "csv", ".tsv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl", ".txt": "sequences"}


def convert(
    source: Path,
    name: str,
    *,
    source_format: str,
    output: Path = DEFAULT_OUTPUT,
    columns: Columns = DEFAULT_COLUMNS,
    separator: str = ",",
    overwrite: bool = False,
) -> Statistics:
    """Writes ``<output>/<name>/<name>.inter``, and a YAML beside it where the packaged settings do not fit it.

    Args:
        source: The file to read, optionally gzip-compressed (.gz).
        name: The dataset's name, as later given to ``--dataset``.
        source_format: One of ``csv``, ``jsonl``, ``sequences``.
        output: Folder of all datasets, RecBole's ``data_path``.
        columns: Names of the columns or keys in the source; sequence text has none.
        separator: Character between the values of a csv file.
        overwrite: Whether to replace what an earlier conversion wrote, the YAML included.

    Returns:
        The statistics of what was written.

    Raises:
        UsageError: If the name, the format or the source is not usable, or the output exists.
    """
    files = Output(name, Path(output), again="recbole-cl convert --overwrite")
    if not overwrite:
        files.refuse_existing("give --overwrite to replace it, or another --name")
    interactions = _read(Path(source), source_format, columns, separator)
    files.write(atomic_text(interactions), has_times=source_format != "sequences")
    return Statistics.of(interactions)


def _read(source: Path, source_format: str, columns: Columns, separator: str) -> pd.DataFrame:
    """Reads the source by its format."""
    if source_format not in FORMATS:
        raise UsageError(f"format {source_format!r} is not known: choose {', '.join(FORMATS)}")
    if not source.is_file():
        raise UsageError(f"source {source} is not a file: check the path")
    try:
        if source_format == "csv":
            return read_csv(source, columns, separator)
        return read_jsonl(source, columns) if source_format == "jsonl" else read_sequences(source)
    except (UnicodeDecodeError, EOFError, OSError) as error:
        raise UsageError(f"{source} cannot be read as UTF-8 text: {error}") from None


def _format_of(source: Path) -> str:
    """The format that a file's ending tells, that of a compressed one included.

    Raises:
        UsageError: If it tells none.
    """
    endings = [ending.lower() for ending in source.suffixes]
    found = next((_ENDINGS[ending] for ending in reversed(endings) if ending in _ENDINGS), None)
    if found is None:
        raise UsageError(f"{source}: its ending tells no format; give --format {' or '.join(FORMATS)}")
    return found


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``recbole-cl convert``.

    Args:
        parser: The sub-command's parser.
    """
    option = parser.add_argument
    option("source", metavar="SOURCE", type=Path, help="file to read; .gz is decompressed")
    option(
        "--format",
        choices=FORMATS,
        help="sequences: `user item item ...` per line, oldest first (default: by the file's ending)",
    )
    option("--name", required=True, help="name of the dataset, for --dataset")
    option("--output", type=Path, default=DEFAULT_OUTPUT, help="folder of all datasets (default: %(default)s)")
    option("--user-column", default=USER, help="column or json key of users (default: %(default)s; Amazon: reviewerID)")
    option("--item-column", default=ITEM, help="of items (default: %(default)s; Amazon: asin)")
    option("--time-column", default=TIME, help="of times, as numbers (default: %(default)s; Amazon: unixReviewTime)")
    option("--rating-column", help='of ratings (default: rating, if present; "" leaves it out; Amazon: overall)')
    option("--separator", help=r"character between csv values, \t for a tab (default: that for .tsv, else a comma)")
    option("--overwrite", action="store_true", help="replace the files of an earlier conversion")


def main(args: argparse.Namespace) -> int:
    """Runs ``recbole-cl convert`` and prints the statistics of the new dataset.

    Args:
        args: What a parser filled by ``add_arguments`` returned.

    Returns:
        The exit code, 0.

    Raises:
        UsageError: As ``convert`` does.
    """
    columns = Columns(args.user_column, args.item_column, args.time_column, args.rating_column)
    separator = args.separator or ("\t" if ".tsv" in args.source.suffixes else ",")
    statistics = convert(
        args.source,
        args.name,
        source_format=args.format or _format_of(args.source),
        output=args.output,
        columns=columns,
        separator=separator.replace("\\t", "\t"),
        overwrite=args.overwrite,
    )
    print(statistics.table())
    files = (args.output / args.name / f"{args.name}{suffix}" for suffix in (".inter", ".yaml"))
    print("wrote", *(path for path in files if path.exists()))
    place = "" if args.output == DEFAULT_OUTPUT else f" --data_path={args.output}"
    filters = "user_inter_num_interval and item_inter_num_interval"
    print(f"train on it with --dataset={args.name}{place}; filters ({filters}) are applied then")
    return 0
