"""The command `recommend`: the best items for users of a trained run, or for any histories."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tqdm.auto import tqdm

from recbole_cl.errors import UsageError
from recbole_cl.serving.arguments import add_run, add_until, loaded
from recbole_cl.serving.histories import Histories, read_histories
from recbole_cl.serving.loaded import LoadedRun
from recbole_cl.serving.output import FORMATS, frame_of, refuse_wrong_name, table_writer
from recbole_cl.serving.recommending import NOTHING, SEEN, exclusion_of
from recbole_cl.text import printable

ALL = "all"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments of `recommend`."""
    add_run(parser)
    who = parser.add_mutually_exclusive_group(required=True)
    who.add_argument("--users", metavar="all|FILE", help="all users of the data, or those of a file, one per line")
    who.add_argument(
        "--histories",
        type=Path,
        metavar="FILE",
        help="rows of items, the newest last: text with spaces or tabs in between; or .jsonl with a list, or an object "
        "with user and items, per line; for a known user, the items are appended to the known ones",
    )
    parser.add_argument("--with_users", action="store_true", help="the first word of each line of text is the user")
    parser.add_argument("--k", type=int, default=20, help="items for each (default: %(default)s)")
    parser.add_argument(
        "--exclude",
        nargs="+",
        default=[SEEN],
        metavar="seen|FILE|none",
        help="leave out the user's own items; also those of a file (one per line); or nothing (default: seen)",
    )
    add_until(parser)
    parser.add_argument("--out", type=Path, metavar="FILE", help=f"ends in .{', .'.join(FORMATS)}; else the terminal")


def main(args: argparse.Namespace) -> int:
    """Writes or prints recommendations.

    Returns:
        The exit code, 0.

    Raises:
        UsageError: If the run, a file or an argument is wrong.
    """
    if args.with_users and not args.histories:
        raise UsageError("--with_users tells how to read --histories: leave it out")
    if args.with_users and args.histories.suffix == ".jsonl":
        raise UsageError('--with_users: lines of a .jsonl name their users themselves ("user"); leave it out')
    refuse_wrong_name(args.out)
    run = loaded(args)
    excluded = _exclude(args.exclude)
    exclusion = exclusion_of(excluded, run.items)
    if isinstance(excluded, list) and (unknown := [token for token in excluded if run.items.find(token) is None]):
        some = f"{len(unknown)} of {len(excluded)} items to exclude are unknown to the model, such as {unknown[0]!r}"
        print(printable(some), file=sys.stderr)
    histories = _histories(args, run)
    if histories.skipped:
        print(f"{histories.skipped} items of the histories are unknown to the model and were skipped", file=sys.stderr)
    lists = run.recommender.lists(histories, args.k, exclusion)
    if args.out is None:
        print(printable(frame_of(histories.names, run.items, list(lists)).to_string(index=False)))
        return 0
    done = 0
    with (
        table_writer(args.out) as write,
        tqdm(total=len(histories), unit="user", disable=not sys.stderr.isatty()) as bar,
    ):
        for batch in lists:
            names = histories.names[done : done + len(batch.item)]
            write(frame_of(names, run.items, [batch]))
            done += len(names)
            bar.update(len(names))
    print(f"wrote {args.out}: {done} users", file=sys.stderr)
    return 0


def _histories(args: argparse.Namespace, run: LoadedRun) -> Histories:
    if args.histories:
        return run.new_histories(read_histories(args.histories, args.with_users), args.history)
    users = None if args.users == ALL else read_tokens(Path(args.users))
    if users == []:
        raise UsageError(f"--users {args.users}: the file names no user; give one a line")
    return run.histories(users, args.history)


def _exclude(words: list[str]) -> str | list[str]:
    if NOTHING in words and len(words) > 1:
        raise UsageError(f"--exclude {' '.join(words)}: {NOTHING} cannot be combined with others")
    files = [word for word in words if word not in (SEEN, NOTHING)]
    return [token for file in files for token in read_tokens(Path(file))] if files else words[0]


def read_tokens(file: Path) -> list[str]:
    """Reads a file of users' or items' tokens, one a line.

    Raises:
        UsageError: If it can't be read.
    """
    try:
        lines = file.read_text(encoding="utf-8-sig").split("\n")  # not splitlines(): a token may hold U+2028
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{file} can't be read as text in UTF-8 ({error}): give a file with one token a line"
        ) from None
    return [token for line in lines if (token := line.strip(" \t"))]
