"""Converts files of interactions to RecBole's atomic files: ``recbole-cl convert``."""

from __future__ import annotations

import argparse
from pathlib import Path

from recbole_cl.data.files.cleaning import Cleaning
from recbole_cl.data.files.columns import TIME, Columns
from recbole_cl.data.files.output import DEFAULT_OUTPUT, Output, Statistics, atomic_text
from recbole_cl.data.files.readers import QUOTES
from recbole_cl.data.files.sources import FORMATS, Log, Reading, read_log
from recbole_cl.data.files.times import span
from recbole_cl.text import printable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``recbole-cl convert``.

    Args:
        parser: The sub-command's parser.
    """
    option = parser.add_argument
    option("sources", metavar="SOURCE", type=Path, nargs="+", help="files of one log, plain, gz, bz2, xz, zst or zip")
    option(
        "--format",
        choices=FORMATS,
        help="guessed if left out; atomic: RecBole's .inter; sequences: `user item item ...` per line, oldest first",
    )
    option("--name", required=True, help="name of the dataset, for --dataset")
    option("--output", type=Path, default=DEFAULT_OUTPUT, help="folder of all datasets (default: %(default)s)")
    option("--user-column", help="column or json key of users; its number if no header names it (default: guessed)")
    option("--item-column", help="of items (default: guessed)")
    option("--time-column", help="of times, numbers or ISO 8601 dates (default: guessed)")
    option("--rating-column", help='of ratings (default: rating, if present; "" leaves it out; Amazon: overall)')
    option("--separator", help=r"separator of csv values, such as :: or \t for a tab (default: guessed)")
    option(
        "--header",
        action=argparse.BooleanOptionalAction,
        help="whether the first line names the columns (default: guessed)",
    )
    option("--encoding", default="utf-8", help="of the text (default: %(default)s)")
    option(
        "--quotes",
        choices=QUOTES,
        default="line",
        help="quotation marks hold csv values that end on their line, are characters like others, or hold values with "
        "line breaks (default: %(default)s)",
    )
    option("--time-zone", default="UTC", help="of dates that name none, such as Europe/Paris (default: %(default)s)")
    option("--drop-missing", action="store_true", help="leave out rows with missing values, and count them")
    option("--drop-duplicates", action="store_true", help="leave out rows that are equal to an earlier one")
    option("--overwrite", action="store_true", help="replace the files of an earlier conversion")


def main(args: argparse.Namespace) -> int:
    """Runs ``recbole-cl convert``: prints what was recognised, writes the dataset, and prints the next command.

    Args:
        args: The result of a parser filled by ``add_arguments``.

    Returns:
        The exit code, 0.

    Raises:
        UsageError: If the name, the format or the source is not usable, or the output exists.
    """
    files = Output(args.name, args.output, again="recbole-cl convert --overwrite")
    if not args.overwrite:
        files.refuse_existing("give --overwrite to replace it, or another --name")
    log = read_log(args.sources, _reading(args))
    print(printable("\n".join(_shown(log))))
    files.write(atomic_text(log.interactions), has_times=log.has_times)
    print("wrote", *(path for path in (files.inter, files.settings) if path.exists()))
    place = "" if args.output == DEFAULT_OUTPUT else f" --data_path={args.output}"
    print("filters (user_inter_num_interval and item_inter_num_interval) are applied when it is loaded; next:")
    print(f"  recbole-cl train --model=SASRec --dataset={args.name}{place}")
    return 0


def _reading(args: argparse.Namespace) -> Reading:
    return Reading(
        source_format=args.format,
        columns=Columns(args.user_column, args.item_column, args.time_column, args.rating_column),
        separator=args.separator and args.separator.replace("\\t", "\t"),
        header=args.header,
        encoding=args.encoding,
        quotes=args.quotes,
        cleaning=Cleaning(args.drop_missing, args.drop_duplicates, args.time_zone),
    )


def _shown(log: Log) -> list[str]:
    """What was recognised: notes, first rows, time span, sizes."""
    frame = log.interactions
    times = span(frame[TIME]) if log.has_times else "positions in the sequences; the source has none"
    first = frame.head(3).to_string(index=False).split("\n")
    return [
        *log.notes,
        "first rows:",
        *(f"  {line}" for line in first),
        f"times: {times}",
        Statistics.of(frame).table(),
    ]
