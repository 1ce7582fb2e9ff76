"""The command `report`: makes a page from runs or a suite that others can open, and tables for papers."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from recbole_cl.errors import UsageError
from recbole_cl.evaluation.protocol import not_comparable
from recbole_cl.report.archive import find_runs
from recbole_cl.report.formats import report_as_csv, report_as_latex, report_as_markdown
from recbole_cl.report.groups import group_runs, sampled_modes
from recbole_cl.report.html import report_as_html
from recbole_cl.report.material import Material
from recbole_cl.report.parts import Report
from recbole_cl.report.store import files_in, read_run
from recbole_cl.report.tables import DEFAULT_METRICS
from recbole_cl.runs.folder import RESULT
from recbole_cl.suites.command import add_choice, choice_of
from recbole_cl.suites.schema import read_suite, suite_file
from recbole_cl.text import printable
from recbole_cl.writing import atomic_write_text

_FORMATS: dict[str, Callable[[Report], str]] = {
    ".html": report_as_html,
    ".md": report_as_markdown,
    ".csv": report_as_csv,
    ".tex": report_as_latex,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `report`."""
    parser.add_argument(
        "sources",
        nargs="+",
        metavar="SUITE|RUN",
        help="a single suite of the package or YAML file, with the flags below that it was run with; or folders of "
        "finished runs, archives of runs, or some of their runs, as for compare",
    )
    parser.add_argument(
        "--out",
        nargs="+",
        type=Path,
        default=[Path("report.html")],
        metavar="FILE",
        help=f"what to write, by its ending: {', '.join(_FORMATS)} (default: report.html)",
    )
    parser.add_argument("--title", help="of the page (default: the suite's)")
    parser.add_argument("--baseline", metavar="MODEL", help="compare with this line (default: as the suite; or SASRec)")
    parser.add_argument(
        "--metrics",
        nargs="+",
        metavar="METRIC",
        help=f"the first one is drawn (default: as the suite; or {' '.join(DEFAULT_METRICS)})",
    )
    add_choice(parser)


def main(args: argparse.Namespace) -> int:
    """Write the report.

    Returns:
        The exit code, 0.

    Raises:
        UsageError: a source cannot be read, an ending is not a known format, or matplotlib is missing.
    """
    if wrong := [path for path in args.out if path.suffix.lower() not in _FORMATS]:
        raise UsageError(f"--out {wrong[0]}: expected a name that ends in {', '.join(_FORMATS)}")
    suite = args.sources[0] if len(args.sources) == 1 and not Path(args.sources[0]).is_dir() else None
    is_suite = suite is not None and not suite.endswith(".zip") and ".zip/" not in suite
    material = _of_suite(args) if is_suite else _of_runs(args)
    if args.baseline is not None:
        _check_baseline(args.baseline, material)
    report = build_report(material)
    for path in args.out:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write_text(path, _FORMATS[path.suffix.lower()](report))
        print(f"wrote {path}", file=sys.stderr)
    return 0


def build_report(material: Material) -> Report:
    """All sections of a report.

    Args:
        material: The runs.

    Raises:
        UsageError: a run lacks a metric, or matplotlib is missing.
    """
    from recbole_cl.report.sections import cost, curves, leaderboard, origin, sweeps, users

    sections = (
        leaderboard.leaderboard(material),
        sweeps.sweeps(material),
        curves.curves(material),
        users.users(material),
        leaderboard.significance(material),
        cost.cost(material),
        origin.settings(material),
        origin.environment(material),
    )
    modes = sampled_modes(group for groups in material.groups.values() for group in groups)
    notes = (*material.notes, *(f"{not_comparable(mode)}." for mode in modes))
    return Report(material.title, tuple(it for it in sections if it is not None), notes)


def _check_baseline(name: str, material: Material) -> None:
    """Refuses a baseline that is no line, or several lines of one model."""
    lines = [group for groups in material.groups.values() for group in groups]
    names = dict.fromkeys(known for line in lines for known in (line.label, line.model))
    if name not in names:
        raise UsageError(f"--baseline {name}: no such line, choose from {', '.join(names)}")
    for dataset, groups in material.groups.items():
        labels = [group.label for group in groups if group.model == name]
        if len(labels) > 1 and name not in labels:
            raise UsageError(f"--baseline {name}: several lines on {dataset}, choose from {', '.join(labels)}")


def _of_runs(args: argparse.Namespace) -> Material:
    if args.datasets or args.variants or args.seeds or args.set:
        raise UsageError("--datasets, --variants, --seeds and --set choose from a suite: leave them out for runs")
    paths = [Path(source) for source in args.sources]
    unfinished = [path for path in paths if path.is_dir() and not (path / RESULT).is_file()]
    for path in unfinished:
        print(printable(f"left out: {path} holds no finished run"), file=sys.stderr)
    files = [it for path in paths if path not in unfinished for it in find_runs(path)]
    if not files:
        raise UsageError(f"{', '.join(map(str, paths))}: no finished run among them")
    groups = group_runs(map(read_run, files))
    metrics = [metric.lower() for metric in args.metrics or DEFAULT_METRICS]
    title = args.title or f"Runs on {', '.join(groups)}"
    notes = (f"{len(files)} runs.",)
    return Material(title, groups, {it.path: it for it in files}, metrics, args.baseline, notes=notes)


def _of_suite(args: argparse.Namespace) -> Material:
    contents = read_suite(suite_file(args.sources[0]))
    from recbole_cl.suites.plan import plan
    from recbole_cl.suites.table import SuiteResult

    result = SuiteResult(contents, plan(contents, choice_of(args)))
    if not result.groups:
        raise UsageError(
            f"{args.sources[0]}: none of its {len(result.runs)} runs is done with these flags; run it first"
        )
    runs = [run for groups in result.groups.values() for group in groups for run in group.runs]
    return Material(
        title=args.title or contents.title,
        groups=result.groups,
        files={run.run_dir: files_in(run.run_dir) for run in runs},
        metrics=[metric.lower() for metric in args.metrics or contents.metrics],
        baseline=args.baseline or contents.baseline,
        history=contents.eval_history,
        published=contents.published,
        notes=(*([contents.about.strip()] if contents.about else []), *result.progress()),
    )
