"""How runs survive being killed, full disks, damaged files, and malicious input.

Each module ``robustness_*.py`` next to this one contributes parts. Without arguments, all parts are run in full.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from random import Random

import torch
from tabulate import tabulate

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from benchmarks._children import Outcome, Part  # noqa: E402
from recbole_cl.writing import atomic_write_text  # noqa: E402


def parts() -> dict[str, Part]:
    """All parts by name."""
    modules = [import_module(f"benchmarks.{path.stem}") for path in sorted(HERE.glob("robustness_*.py"))]
    return {name: part for module in modules for name, part in module.PARTS.items()}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the parts; the exit code is 1 if anything ended as it should not."""
    known = parts()
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("parts", nargs="*", metavar="PART", help=f"some of {', '.join(known)} (default: all)")
    flags.add_argument("--count", type=int, help="cases of each part (default: as many as the page has)")
    flags.add_argument("--seed", type=int, default=0, help="of what is drawn (default: %(default)s)")
    flags.add_argument("--output", type=Path, metavar="FILE", help="also write the tables to this file")
    args = flags.parse_args(argv)
    if unknown := {*args.parts} - {*known}:
        flags.error(f"unknown {', '.join(unknown)}: choose from {', '.join(known)}")
    torch.set_num_threads(1)  # a fork has one thread, and runs are compared bit by bit
    bad, tables = 0, []
    for name in args.parts or known:
        part, begin = known[name], time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            outcomes = list(part.run(args.count or part.cases, Random(args.seed), Path(folder).resolve()))
        bad += sum(not outcome.good for outcome in outcomes)
        tables.append(table(name, part, outcomes, time.perf_counter() - begin))
        print(tables[-1], flush=True)
        for outcome in outcomes:
            if not outcome.good:
                print(f"BAD: {outcome.case}: {outcome.ended}", file=sys.stderr, flush=True)
    if args.output:
        atomic_write_text(args.output, "\n".join(tables))
    return min(bad, 1)


def table(name: str, part: Part, outcomes: Sequence[Outcome], seconds: float) -> str:
    """How the cases of a part ended, as Markdown."""
    counted = Counter((outcome.ended, outcome.good) for outcome in outcomes)
    rows = [
        [ended, number, "as it should" if good else "**not as it should**"] for (ended, good), number in counted.items()
    ]
    grid = tabulate(rows, headers=["ended", "cases", "as it should"], tablefmt="pipe")
    return f"### {name}: {part.title}\n\n{len(outcomes)} cases, {seconds:.0f} s\n\n{grid}\n"


if __name__ == "__main__":
    sys.exit(main())
