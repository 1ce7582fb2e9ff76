"""Seconds per training step of an author's own code, for comparison with ``benchmarks/train.py`` on the same machine.

    python benchmarks/authors.py --threads 2 --without gensim ELECRec/src/main.py --data_name Beauty --no_cuda

Runs the script in its own folder, with the arguments after its name, and stops it after the given number of optimiser
steps. A step is timed from the end of one to the end of the next, batches included; the first three are not counted.
Modules that the code imports but does not use here are left out with ``--without NAME``; the parts of faiss that need
a GPU are replaced by those for a CPU.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import runpy
import statistics
import sys
import time
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from recbole_cl.allocator import restart_with_tuned_malloc

if __name__ == "__main__":
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # faiss has threads of its own, which otherwise block torch's
    restart_with_tuned_malloc()

# isort: split
import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

from recbole_cl.errors import UsageError

UNCOUNTED = 2  # intervals between the first steps


class _Enough(BaseException):
    """Ends the script from within; not an Exception, so that the script does not catch it."""


def measure(script: Path, flags: Sequence[str], steps: int) -> list[float]:
    """Runs a training script until it has taken enough steps.

    Args:
        script: The file; it is run in its folder.
        flags: Its command line.
        steps: Counted optimiser steps, >= 1.

    Returns:
        Seconds of each counted step.

    Raises:
        UsageError: If there is no such script, no step is asked for, or the script ends before.
    """
    if not script.is_file():
        raise UsageError(f"there is no script {script}")
    if steps < 1:
        raise UsageError(f"--steps = {steps}: expected 1 or more")
    ends: list[float] = []

    def after_step(*_: Any) -> None:
        ends.append(time.perf_counter())
        if len(ends) > steps + UNCOUNTED:
            raise _Enough

    hook = register_optimizer_step_post_hook(after_step)
    argv, path, folder = sys.argv, sys.path, Path.cwd()
    sys.argv, sys.path = [script.name, *flags], [str(script.parent), *path]
    try:
        os.chdir(script.parent)
        with contextlib.suppress(_Enough, SystemExit):
            runpy.run_path(script.name, run_name="__main__")
        if len(ends) <= steps + UNCOUNTED:
            raise UsageError(f"{script} ended after {len(ends)} steps: lower --steps or give it more epochs")
    finally:
        hook.remove()
        os.chdir(folder)
        sys.argv, sys.path = argv, path
    return [end - begin for begin, end in zip(ends[UNCOUNTED:], ends[UNCOUNTED + 1 :], strict=False)]


def replace_missing(names: Sequence[str]) -> None:
    """Makes some modules empty, and the GPU classes of faiss, if it is installed, those for a CPU."""
    for name in names:
        sys.modules[name] = types.ModuleType(name)
    with contextlib.suppress(ImportError):
        faiss: Any = importlib.import_module("faiss")

        class Nothing:
            def noTempMemory(self) -> None: ...  # noqa: N802 (faiss' name)

        faiss.StandardGpuResources = faiss.GpuIndexFlatConfig = Nothing
        faiss.GpuIndexFlatL2 = lambda resources, size, config: faiss.IndexFlatL2(size)


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line; flags before the script's name are ours."""
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--steps", type=int, default=10, help="counted steps (default: %(default)s)")
    flags.add_argument("--threads", type=int, default=0, help="torch threads (default: torch's own choice)")
    flags.add_argument("--without", action="append", default=[], metavar="NAME", help="a module that is not used")
    flags.add_argument("script", type=Path, help="the training script")
    flags.add_argument("flags", nargs=argparse.REMAINDER, help="its own arguments")
    return flags.parse_args(given)


def main(args: argparse.Namespace) -> int:
    """Measures and prints; returns the exit code."""
    if args.threads:
        torch.set_num_threads(args.threads)
    replace_missing(args.without)
    try:
        seconds = measure(args.script.resolve(), args.flags, args.steps)
    except UsageError as error:
        print(error, file=sys.stderr)
        return 2
    print(
        f"\n{statistics.median(seconds):.3f} s a step, median of {len(seconds)} ({min(seconds):.3f} to "
        f"{max(seconds):.3f}), {torch.get_num_threads()} threads"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(arguments()))
