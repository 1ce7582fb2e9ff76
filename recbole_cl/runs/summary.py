"""What the command line prints when runs have finished: the metrics, and useful next commands."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

import numpy as np
from tabulate import tabulate

from recbole_cl.config.presets import read_settings
from recbole_cl.registry import is_path
from recbole_cl.runs.folder import CONFIG
from recbole_cl.runs.result import RunResult


def summary(results: Sequence[RunResult]) -> str:
    """The test metrics of one run, or their mean and standard deviation over several seeds.

    Args:
        results: At least one run; several must differ only in their seed.
    """
    first = results[0]
    folders = [f"run folder: {result.run_dir}" for result in results]
    if len(results) == 1 or not first.test:
        return "\n".join([first.table(), *folders])
    names = list(next(iter(first.test.values())))
    rows = [
        [protocol.replace("_", " "), *(_mean([it.test[protocol][name] for it in results]) for name in names)]
        for protocol in first.test
    ]
    seeds = ", ".join(str(result.seed) for result in results)
    head = [f"{first.model}, {first.dataset}", *names]
    table = tabulate(rows, headers=head, disable_numparse=True)
    return "\n".join([table, f"mean ± sample standard deviation over the seeds {seeds}", *folders])


def _mean(values: Sequence[float]) -> str:
    return f"{np.mean(values):.4f} ± {np.std(values, ddof=1):.4f}"


def next_steps(results: Sequence[RunResult]) -> str:
    """Commands that can be run without changes.

    Args:
        results: The runs that have just ended, at least one.
    """
    last = results[-1]
    saved, run = shlex.quote(str(last.run_dir.parent)), shlex.quote(str(last.run_dir))
    model = str(read_settings(last.run_dir / CONFIG)["model"])
    named = f" --model={model}" if is_path(model) else ""  # code that only its user may have imported
    steps = {
        f"recbole-cl compare {saved}/*-{shlex.quote(last.dataset)}-*": "all finished runs on these data",
        f"recbole-cl recommend {run}{named} --users all --out recommendations.csv": "the best items for every user",
        f"tensorboard --logdir {run}": "losses and validations as curves",
    }
    return "\n".join(["next:", *(f"  {command}\n      {what}" for command, what in steps.items())])
