"""Arguments that the commands for trained runs share."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from recbole_cl.serving.loaded import LoadedRun


def add_run(parser: argparse.ArgumentParser) -> None:
    """Declares the run folder, and the code that is neither ours nor RecBole's."""
    parser.add_argument("run_dir", type=Path, metavar="RUN", help="folder of a finished run, saved/<run>")
    parser.add_argument("--model", metavar="PATH", help="dotted path of the model's class, if it is one of your own")
    parser.add_argument(
        "--code", nargs="+", metavar="PATH", help="dotted paths of your own encoder, loss and so on that the run names"
    )


def loaded(args: argparse.Namespace) -> LoadedRun:
    """The run that the arguments name.

    Raises:
        UsageError: As ``load``.
    """
    from recbole_cl.registry import name_paths
    from recbole_cl.serving.loaded import load

    name_paths([args.model, args.code])
    return load(args.run_dir, args.model)


def add_until(parser: argparse.ArgumentParser) -> None:
    """Declares up to which part of the data histories extend."""
    parser.add_argument(
        "--history",
        choices=("train", "valid", "test"),
        default="test",
        help="a user's known history: the training items, also the validation items, or everything, the test items "
        "included (default: %(default)s, for use in production)",
    )
