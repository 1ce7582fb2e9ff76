"""The command `compare`: compares stored runs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from recbole_cl.config.common import DECIDES_TARGETS
from recbole_cl.errors import UsageError
from recbole_cl.evaluation.significance import TESTS
from recbole_cl.report.archive import load_runs
from recbole_cl.report.page import Comparison, is_page, read_comparisons
from recbole_cl.report.render import as_csv, as_latex, as_markdown, as_text
from recbole_cl.report.tables import DEFAULT_METRICS, SPLITS, Table, compare_runs
from recbole_cl.report.users import BY
from recbole_cl.runs.folder import RESULT
from recbole_cl.text import printable
from recbole_cl.writing import atomic_write_text

_FORMATS: dict[str, Callable[[Sequence[Table]], str]] = {
    "table": as_text,
    "csv": as_csv,
    "markdown": as_markdown,
    "latex": as_latex,
}
_OF_COMPARISON = ("baseline", "metrics", "ignore", "test", "split", "labels")  # options that a page has set itself


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `compare`."""
    parser.add_argument(
        "run_dirs",
        nargs="+",
        type=Path,
        metavar="RUN_DIR",
        help="folder of a finished run; archive of runs, such as results/<page>.runs.zip; some of its runs, such as "
        "'results/<page>.runs.zip/SASRec-*'; or a single page with all its tables, results/<page>",
    )
    parser.add_argument("--baseline", metavar="MODEL", help="compare with this model (default: SASRec, else the first)")
    parser.add_argument(
        "--metrics",
        nargs="+",
        metavar="METRIC",
        help="hit, recall, precision, ndcg, mrr or map at any cut-off, and others that the runs recorded "
        f"(default: {' '.join(DEFAULT_METRICS)})",
    )
    parser.add_argument(
        "--ignore",
        nargs="+",
        metavar="SETTING",
        help="settings in which runs of one experiment may differ, such as one that earlier runs did not have",
    )
    parser.add_argument("--format", choices=list(_FORMATS), default="table", help="default: %(default)s")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write to this file instead of the terminal")
    parser.add_argument("--by", choices=list(BY), default="", help="figures for groups of users, counted in the data")
    parser.add_argument("--test", choices=TESTS, help="paired test over users (default: t)")
    parser.add_argument("--split", choices=SPLITS, help="valid: compare validations, to choose by (default: test)")
    parser.add_argument(
        "--label",
        nargs="+",
        dest="labels",
        metavar="NAME",
        help="names for the models and variants, in the order in which their runs are given",
    )


def main(args: argparse.Namespace) -> int:
    """Compare the runs that `args` names, and print or write the tables.

    Returns:
        The exit code, 0.

    Raises:
        UsageError: a run cannot be read, or runs cannot be compared.
    """
    given = {name: value for name in _OF_COMPARISON if (value := getattr(args, name)) is not None}
    page = next((path for path in args.run_dirs if is_page(path)), None)
    if page and given:
        option = next(iter(given)).replace("labels", "label")
        raise UsageError(f"--{option}: {page} has chosen it; leave it out, or give {page}.runs.zip instead")
    if page and len(args.run_dirs) > 1:
        raise UsageError(f"{page} is a page: give it alone, or its runs as {page}.runs.zip")
    if args.by and args.split == "valid":
        raise UsageError(f"--by {args.by}: runs keep no ranks of their validation; leave out --split valid")
    tables = _tables_of(page, args.by) if page else _tables(Comparison(args.run_dirs, **given), args.by)
    text = _FORMATS[args.format](tables)
    if args.output is None:
        print(printable(text), end="")
    else:
        args.output.parent.mkdir(parents=True, exist_ok=True)
        atomic_write_text(args.output, text)
    return 0


def _tables_of(page: Path, by: str) -> list[Table]:
    tables: list[Table] = []
    for comparison in read_comparisons(page):
        try:
            tables += _tables(comparison, by)
        except UsageError as error:
            raise UsageError(f"{page}, {comparison.title!r}: {error}") from error
    return tables


def _tables(comparison: Comparison, by: str) -> list[Table]:
    finished = [path for path in comparison.runs if not _is_unfinished(path)]
    runs = [run for path in finished or comparison.runs for run in load_runs(path)]
    if unknown := [name for name in comparison.ignore if not any(name in (run.settings or {}) for run in runs)]:
        raise UsageError(f"--ignore {unknown[0]}: no run has such a setting; leave it out")
    if decisive := sorted(DECIDES_TARGETS.intersection(comparison.ignore)):
        raise UsageError(
            f"--ignore {decisive[0]}: runs must agree in it, since it decides what is ranked; leave it out"
        )
    runs = [run.without(comparison.ignore) for run in runs]
    tables = compare_runs(
        runs,
        comparison.metrics,
        comparison.baseline,
        comparison.test,
        split=comparison.split,
        labels=comparison.labels,
        by=by,
    )
    return [replace(table, comparison=comparison.title) for table in tables]


def _is_unfinished(path: Path) -> bool:
    """Whether a run was interrupted or is still running; reports it on stderr, as `saved/DuoRec-*` may match one."""
    unfinished = path.is_dir() and not (path / RESULT).is_file()
    if unfinished:
        print(printable(f"left out: {path} holds no finished run"), file=sys.stderr)
    return unfinished
