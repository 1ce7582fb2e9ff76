"""Seconds and peak memory of each stage on large synthetic data, each in its own process.

* ``convert``: a csv file to an atomic file, as by ``recbole-cl convert``.
* ``load``: from the atomic file to the training loader and the validation rows.
* ``train``: loads, then steps of SASRec in the sequence form with sampled softmax; the seconds are those of the steps.
* ``evaluate``: loads, then ranks the validation targets of users among all items; the seconds are those of the ranking.

The data are drawn with heavy tails: weights of users and items fall as a power of their rank. Times increase along the
log. Every user and item has at least one interaction, so that the numbers are exactly those requested.
"""

from __future__ import annotations

import argparse
import dataclasses
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from recbole_cl.allocator import restart_with_tuned_malloc  # before torch, as in every run

if __name__ == "__main__":
    restart_with_tuned_malloc()

# isort: split
import numpy as np
import pandas as pd
import torch

from benchmarks import _common as common
from recbole_cl.data.files.dataframe import from_files
from recbole_cl.data.rows import require_rows, rows_of
from recbole_cl.evaluation.evaluate import RankEvaluator
from recbole_cl.evaluation.ranks import evaluation_rows
from recbole_cl.runs.build import build_data, build_loader, build_model, build_trainer

NAME = "made-up"
USER_TAIL, ITEM_TAIL = 0.5, 0.7  # weights fall as rank to the power of minus this
BLOCK = 1_000_000  # number of interactions written at a time
COLUMNS = (("stage", ""), ("seconds", ".1f"), ("of the processor", ".1f"), ("peak, MB", ".0f"), ("what", ""))


def make_up(file: Path, n_interactions: int, n_users: int, n_items: int, seed: int) -> None:
    """Writes a csv file of interactions in order of time.

    Args:
        file: File to write.
        n_interactions: At least the number of users and the number of items.
        n_users: Number of users.
        n_items: Number of items.
        seed: Seed of all draws.
    """
    rng = np.random.default_rng(seed)
    user = _ranks(rng, n_interactions, n_users, USER_TAIL)
    item = _ranks(rng, n_interactions, n_items, ITEM_TAIL)
    seconds = 1_500_000_000 + np.arange(n_interactions) * 7
    for start in range(0, n_interactions, BLOCK):
        part = slice(start, start + BLOCK)
        table = pd.DataFrame({"user_id": user[part], "item_id": item[part], "timestamp": seconds[part]})
        table["item_id"] = "B" + table["item_id"].astype(str).str.zfill(9)  # similar to the ids of shops
        table.to_csv(file, mode="a", header=start == 0, index=False)


def _ranks(rng: np.random.Generator, size: int, n: int, tail: float) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Draws of 0..n-1, each at least once, in random order."""
    drawn = (n * rng.random(size - n) ** (1 / (1 - tail))).astype(np.int64)
    return rng.permutation(np.concatenate([np.arange(n), drawn]))


Clocks = tuple[
    float, float
]  # wall-clock seconds, and processor seconds: other work on the machine affects only the former


def _clocks(gpu: bool = False) -> Clocks:
    return common.now(gpu), time.process_time()


def _since(begin: Clocks, gpu: bool = False) -> Clocks:
    wall, processor = _clocks(gpu)
    return wall - begin[0], processor - begin[1]


def stage_convert(args: argparse.Namespace, folder: Path) -> Clocks:
    begin = _clocks()
    from_files(Path(args.data_path, f"{NAME}.csv"), name=NAME, data_path=args.data_path, overwrite=True)
    return _since(begin)


def _load(args: argparse.Namespace, folder: Path) -> tuple[Any, Any, Any, Any]:
    config = common.config_of(
        args,
        "SASRec",
        folder,
        dataset=NAME,
        MAX_ITEM_LIST_LENGTH=50,
        train_form="sequence",
        recommendation_loss="sampled_softmax",
        train_batch_size=args.batch_size,
        user_inter_num_interval="[3,inf)",
        item_inter_num_interval=None,
    )
    train, valid, _ = build_data(config)[1]
    model = build_model(config, train)
    return config, model, build_loader(config, model, train), require_rows(rows_of(valid), "validation")


def stage_load(args: argparse.Namespace, folder: Path) -> Clocks:
    begin = _clocks()
    _load(args, folder)
    return _since(begin)


def stage_train(args: argparse.Namespace, folder: Path) -> Clocks:
    config, model, loader, _ = _load(args, folder)
    trainer = build_trainer(config, model, folder)
    model.train()
    begin = _clocks(args.gpu)
    for batch in islice(loader, args.steps):
        trainer.step(batch.to(config["device"]))
    return _since(begin, args.gpu)


def stage_evaluate(args: argparse.Namespace, folder: Path) -> Clocks:
    config, model, _, rows = _load(args, folder)
    some = torch.linspace(0, len(rows) - 1, min(args.evaluated, len(rows))).long()
    rows = dataclasses.replace(rows, user=rows.user[some], start=rows.start[some], end=rows.end[some])
    begin = _clocks(args.gpu)
    RankEvaluator(model, 256).rank(evaluation_rows(rows.to(config["device"]), model.n_items))
    return _since(begin, args.gpu)


STAGES: dict[str, Callable[[argparse.Namespace, Path], Clocks]] = {
    "convert": stage_convert,
    "load": stage_load,
    "train": stage_train,
    "evaluate": stage_evaluate,
}


def measure(args: argparse.Namespace) -> common.Records:
    """Runs one stage in this process, which does nothing else."""
    with tempfile.TemporaryDirectory() as folder:
        wall, processor = STAGES[args.stage](args, Path(folder))
    what = {"train": f"{args.steps} steps of {args.batch_size} users", "evaluate": f"{args.evaluated:,} users"}
    return [
        {
            "stage": args.stage,
            "wall_seconds": wall,
            "processor_seconds": processor,
            "peak_mb": common.peak_mb(args.gpu),
            "what": what.get(args.stage, f"{args.interactions:,} interactions"),
        }
    ]


def benchmark(args: argparse.Namespace, fresh: Callable[..., common.Records] = common.fresh) -> common.Records:
    """Generates the data, measures every stage in a fresh process, or one stage in this one, and prints the table."""
    if args.stage:
        records = measure(args)
    else:
        folder = Path(tempfile.mkdtemp(dir=args.data_path or None))
        args.data_path = str(folder)
        try:
            make_up(folder / f"{NAME}.csv", args.interactions, args.users, args.items, seed=1)
            records = [record for stage in STAGES for record in fresh(*_command(args, stage))]
        finally:
            shutil.rmtree(folder)
    common.print_table(records, COLUMNS)
    return records


def _command(args: argparse.Namespace, stage: str) -> list[str]:
    sizes = ("interactions", "steps", "batch_size", "evaluated")
    flags = [flag for name in sizes for flag in (f"--{name}", str(getattr(args, name)))]
    return [__file__, *common.shared_flags(args), *flags, "--stage", stage]


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Reads the flags."""
    flags = common.parser(__doc__, NAME)
    flags.set_defaults(data_path="")
    flags.add_argument("--interactions", type=int, default=20_000_000)
    flags.add_argument("--users", type=int, default=1_000_000)
    flags.add_argument("--items", type=int, default=1_000_000)
    flags.add_argument("--steps", type=int, default=200, help="training steps (default: %(default)s)")
    flags.add_argument("--batch_size", type=int, default=256, help="users of a step (default: %(default)s)")
    flags.add_argument("--evaluated", type=int, default=10_000, help="users that are ranked (default: %(default)s)")
    flags.add_argument("--stage", choices=STAGES, help="measure this stage alone, in this process")
    return flags.parse_args(argv)


if __name__ == "__main__":
    sys.exit(common.run_script(benchmark, arguments(None)))
