"""The command `compare`: stored runs side by side."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from recbole_cl.errors import UsageError
from recbole_cl.evaluation.significance import TESTS
from recbole_cl.report.render import as_csv, as_markdown, as_text
from recbole_cl.report.store import load_run
from recbole_cl.report.tables import DEFAULT_METRICS, Table, compare_runs
from recbole_cl.writing import atomic_write_text

_FORMATS: dict[str, Callable[[Sequence[Table]], str]] = {"table": as_text, "csv": as_csv, "markdown": as_markdown}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `compare`."""
    parser.add_argument("run_dirs", nargs="+", type=Path, metavar="RUN_DIR", help="folder of a finished run")
    parser.add_argument("--baseline", metavar="MODEL", help="compare with this model (default: SASRec, else the first)")
    parser.add_argument(
        "--metrics",
        nargs="+",
        default=list(DEFAULT_METRICS),
        metavar="METRIC",
        help="hit, recall, precision, ndcg, mrr or map at any cut-off, and others that the runs recorded "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--ignore",
        nargs="+",
        default=[],
        metavar="SETTING",
        help="settings in which runs of one experiment may differ, such as one that earlier runs had not yet",
    )
    parser.add_argument("--format", choices=list(_FORMATS), default="table", help="default: %(default)s")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write to this file instead of the terminal")
    parser.add_argument("--test", choices=TESTS, default="t", help="paired test over users (default: %(default)s)")


def main(args: argparse.Namespace) -> int:
    """Compare the runs that `args` names and print or write the tables.

    Returns:
        The exit code, 0.

    Raises:
        UsageError: a run that cannot be read, or runs that cannot be compared.
    """
    finished = [path for path in args.run_dirs if not _is_unfinished(path)]
    runs = [load_run(path) for path in finished or args.run_dirs]
    if unknown := [name for name in args.ignore if not any(name in (run.settings or {}) for run in runs)]:
        raise UsageError(f"--ignore {unknown[0]}: no run has such a setting; leave it out")
    runs = [run.without(args.ignore) for run in runs]
    text = _FORMATS[args.format](compare_runs(runs, args.metrics, args.baseline, args.test))
    if args.output is None:
        print(text, end="")
    else:
        atomic_write_text(args.output, text)
    return 0


def _is_unfinished(path: Path) -> bool:
    """Tells, on stderr too, of a run that was cut short or is under way: `saved/DuoRec-*` may well hold one."""
    unfinished = path.is_dir() and not (path / "result.json").is_file()
    if unfinished:
        print(f"left out: {path} holds no finished run", file=sys.stderr)
    return unfinished
