"""The command `similar`: the items nearest to given ones, by the vectors of a trained run."""

from __future__ import annotations

import argparse
from pathlib import Path

from recbole_cl.serving.arguments import add_run, loaded
from recbole_cl.serving.output import FORMATS, refuse_wrong_name, table_writer
from recbole_cl.text import printable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments of `similar`."""
    add_run(parser)
    parser.add_argument("--items", nargs="+", metavar="ITEM", help="items to start from (default: all)")
    parser.add_argument("--k", type=int, default=10, help="items for each (default: %(default)s)")
    parser.add_argument("--out", type=Path, metavar="FILE", help=f"ends in .{', .'.join(FORMATS)}; else the terminal")


def main(args: argparse.Namespace) -> int:
    """Writes or prints the nearest items, by the cosine of their vectors.

    Returns:
        The exit code, 0.

    Raises:
        UsageError: If the run or an argument is wrong.
    """
    refuse_wrong_name(args.out)
    table = loaded(args).similar(args.items, args.k)
    if args.out is None:
        print(printable(table.to_string(index=False)))
    else:
        with table_writer(args.out) as write:
            write(table)
    return 0
