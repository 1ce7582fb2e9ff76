"""The command `tune`."""

from __future__ import annotations

import argparse
from typing import Any

PARSER = {
    "usage": "%(prog)s [-m MODEL] [-d DATASET] [--trials N] [--ranges FILE] [--seeds SEEDS] [--KEY=VALUE ...]",
    "description": "Search for the settings with the best score on validation items. The same command resumes a "
    "search that was stopped, and joins one that other workers are running. It ends with best.yaml, trials.csv and two "
    "plots in <checkpoint_dir>/tune-NAME; with --seeds, the best setting is then trained and tested, once for each.",
    "epilog": "Any --KEY=VALUE is a setting of all trials, such as --valid_metric=NDCG@10; it is then not searched, "
    "even if it has a range.\nThe ranges that come with the models are in props/search/.",
}
FLAGS = (
    "--ranges",
    "--trials",
    "--limit-hours",
    "--study",
    "--storage",
    "--prune-after",
    "--random-trials",
    "--pruner",
    "--first-trial",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `tune`, in addition to those of `train`."""
    parser.add_argument(
        "--ranges", metavar="FILE", help="YAML of ranges, or a file of RecBole's run_hyper.py (default: the model's)"
    )
    parser.add_argument("--trials", type=int, metavar="N", help="trials of the whole study (default: 50)")
    parser.add_argument(
        "--limit-hours", type=float, metavar="H", help="stop after H hours; --trials then has no default"
    )
    parser.add_argument(
        "--study", metavar="NAME", help="its folder is <checkpoint_dir>/tune-NAME (default: by the run)"
    )
    parser.add_argument(
        "--storage", metavar="URL", help="a database for several machines, as Optuna names it (default: in the folder)"
    )
    parser.add_argument("--prune-after", type=int, metavar="N", help="epochs that every trial may have (default: 10)")
    parser.add_argument(
        "--random-trials",
        type=int,
        metavar="N",
        help="random trials before the search learns from others (default: 10)",
    )
    parser.add_argument(
        "--pruner",
        metavar="NAME",
        help="which trials are stopped: median (default), those below the median of the others; halving, those "
        "that are not in the best third at --prune-after epochs, at 3 times as many, and so on",
    )
    parser.add_argument(
        "--first-trial",
        metavar="NAME",
        help="values of the first trial: drawn (default), or given, those of files and defaults",
    )


def main(args: argparse.Namespace) -> int:
    """Run `tune`."""
    from recbole_cl.search.tune import require_optuna, tune

    require_optuna()
    model, dataset, files, settings, seeds = args.training
    names = [flag[2:].replace("-", "_") for flag in FLAGS]
    own: dict[str, Any] = {name: it for name in names if (it := getattr(args, name)) is not None}
    found = tune(model, dataset, config_files=files, seeds=seeds or (), **own, **settings)
    print(f"search: {found.folder}")
    return 0
