"""The command `suite`, and the function of that name."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recbole_cl.errors import UsageError
from recbole_cl.suites.schema import read_suite, suite_file
from recbole_cl.text import printable
from recbole_cl.writing import atomic_write_text

if TYPE_CHECKING:
    from recbole_cl.suites.plan import Choice, PlannedRun
    from recbole_cl.suites.table import SuiteResult


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `suite`."""
    parser.add_argument("suite", metavar="NAME|FILE", help="a suite of the package, such as quick, or a YAML file")
    add_choice(parser)
    parser.add_argument("--dry-run", action="store_true", help="list the runs, and measure how long they would take")
    parser.add_argument(
        "--limit-hours",
        type=float,
        metavar="H",
        help="stop after H hours, between two epochs; the same command resumes the suite",
    )
    parser.add_argument("--retry-failed", action="store_true", help="try runs again that have failed before")


def add_choice(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments that select parts of a suite and override its settings."""
    parser.add_argument("--datasets", nargs="+", default=(), metavar="DATASET", help="only these of the suite's")
    parser.add_argument("--variants", nargs="+", default=(), metavar="VARIANT", help="only these of the suite's")
    parser.add_argument(
        "--seeds", help="in place of the suite's: a number of seeds, from its first on, or a list 1,2,3"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a setting of all runs whose model knows it, above what the suite sets; may be given several times",
    )


def choice_of(args: argparse.Namespace) -> Choice:
    """The choice that these arguments describe.

    Raises:
        UsageError: If a seed or a setting is not written correctly.
    """
    seeds, settings = _seeds(args.seeds), dict(map(_setting, args.set))
    from recbole_cl.suites.plan import Choice  # takes seconds to import

    return Choice(args.datasets, args.variants, seeds, settings)


def main(args: argparse.Namespace) -> int:
    """Run `suite`.

    Returns:
        The exit code: 0; 1 if runs have failed.

    Raises:
        UsageError: The message lists everything that is wrong in the suite or the arguments, before training starts.
    """
    path = suite_file(args.suite)
    contents = read_suite(path)  # errors are reported before any slow import
    choice = choice_of(args)
    if args.dry_run:
        from recbole_cl.suites.estimate import estimate
        from recbole_cl.suites.plan import plan, refuse_missing_data

        runs = plan(contents, choice)
        refuse_missing_data(runs)
        print(printable(f"{contents.title}\n\n{estimate(runs)}"))
        return 0
    done = _run(path, choice, args.limit_hours, args.retry_failed, print_tables=True)
    return 1 if done.failures else 0


def suite(
    name: str | Path,
    *,
    datasets: Sequence[str] = (),
    variants: Sequence[str] = (),
    seeds: Sequence[int] | int = (),
    limit_hours: float | None = None,
    retry_failed: bool = False,
    **settings: Any,
) -> SuiteResult:
    """Does the unfinished runs of a suite, each in its own process, and returns its table.

    Args:
        name: Name of a suite of the package, or a YAML file.
        datasets: Some of its datasets; empty for all.
        variants: Some of its variants; empty for all.
        seeds: Instead of the suite's: a list, or a number of seeds, counted from its first one.
        limit_hours: Time limit in hours, checked between two epochs; None for no limit.
        retry_failed: Whether failed runs are tried again.
        **settings: Settings for all runs whose models know them; these override the suite's.

    Returns:
        The finished runs; printing it shows the suite's table.

    Raises:
        UsageError: The message lists everything that is wrong, before training starts.
    """
    from recbole_cl.suites.plan import Choice

    choice = Choice(datasets, variants, seeds, settings)
    return _run(suite_file(str(name)), choice, limit_hours, retry_failed, print_tables=False)


def _run(path: Path, choice: Choice, limit_hours: float | None, retry_failed: bool, print_tables: bool) -> SuiteResult:
    from recbole_cl.suites.job import State, failure_of, forget_failure, state_of
    from recbole_cl.suites.plan import plan, refuse_missing_data
    from recbole_cl.suites.table import SuiteResult
    from recbole_cl.suites.work import in_processes, progress_bar, work

    deadline = None if limit_hours is None else time.time() + 3600 * limit_hours
    contents = read_suite(path)
    environment = dict(os.environ)  # before settings are built, which changes the visible GPUs
    runs = plan(contents, choice)
    refuse_missing_data(runs)
    if retry_failed:
        for run in runs:
            forget_failure(run)
    page = runs[0].folder.parent / f"{path.stem}.md"
    page.parent.mkdir(parents=True, exist_ok=True)

    def after(run: PlannedRun) -> None:
        now = SuiteResult(contents, runs)
        atomic_write_text(page, now.markdown())
        if state_of(run) is State.FAILED:
            bar.write(printable(f"failed: {run}: {failure_of(run)}"), file=sys.stderr)
        elif print_tables:
            bar.write(printable(f"\n{now.text_of(run.dataset)}\n"))

    with progress_bar(runs, shown=print_tables) as bar:
        work(runs, in_processes(bar, environment), deadline, after, bar)
    result = SuiteResult(contents, runs)
    atomic_write_text(page, result.markdown())
    if print_tables:
        print(printable(f"\n{contents.title}\n\n{result}\n\npage: {page}"))
    return result


def _setting(text: str) -> tuple[str, Any]:
    from recbole_cl.config.presets import BadYAML, parse_yaml

    key, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"--set {text}: expected KEY=VALUE, such as --set epochs=1")
    try:
        return key, parse_yaml(value)
    except BadYAML:
        return key, value


def _seeds(text: str | None) -> Sequence[int] | int:
    if text is None:
        return ()
    parts = text.rstrip(",").split(",")
    if not all(part.isdecimal() for part in parts) or text == "0":
        raise UsageError(f"--seeds={text}: expected a number of seeds >= 1, or a list of seeds such as 1,2,3")
    return [int(part) for part in parts] if "," in text else int(text)
