"""How a training step, an epoch's start and the peak memory grow with the catalogue, the length of rows and the users.

Made-up data: every user has as many interactions as a row has places, with items drawn uniformly, each at least once.
One size changes at a time, the others stay at 10,000 items, 50 items a row and 20,000 users. Every case is a process of
its own: its peak covers loading. The start is what a model does before the first step of an epoch, here of its second:
ICLRec clusters all training rows there.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from recbole_cl.allocator import restart_with_tuned_malloc  # before torch, as in every run

if __name__ == "__main__":
    restart_with_tuned_malloc()

# isort: split
import numpy as np
import pandas as pd

from benchmarks import _common as common
from benchmarks.train import OURS, contenders

NAME = "made-up"
BASE = {"items": 10_000, "length": 50, "users": 20_000}
GROWTH = {"items": (10_000, 100_000, 1_000_000), "length": (50, 200, 1000), "users": (20_000, 100_000)}
USERS_OF_LONG_ROWS = 1_000  # where the length grows: all others would only load longer
CONTENDERS = {
    "items": ("SASRec:sequence", "DuoRec:prefix"),
    "length": ("SASRec:sequence", "DuoRec:prefix", "DuoRec:sequence"),
    "users": ("SASRec:sequence", "DuoRec:prefix", "ICLRec:sequence"),
}
COLUMNS = (
    ("grows", ""),
    ("to", ",d"),
    ("model", ""),
    ("form", ""),
    ("step, s", ".4f"),
    ("start, s", ".2f"),
    ("epoch, s", ".1f"),
    ("peak, MB", ".0f"),
)


def make_up(folder: Path, n_items: int, length: int, n_users: int, seed: int) -> None:
    """Writes an atomic file in which every user has ``length`` interactions and two to validate and test.

    Args:
        folder: Of dataset folders.
        n_items: Number of items, at most the number of interactions.
        length: Interactions of a user in training.
        n_users: Number of users.
        seed: Of all draws.
    """
    rng = np.random.default_rng(seed)
    size = n_users * (length + 2)
    items = rng.permutation(np.concatenate([np.arange(n_items), rng.integers(n_items, size=size - n_items)]))
    table = pd.DataFrame({"user_id:token": np.repeat(np.arange(n_users), length + 2), "item_id:token": items})
    table["timestamp:float"] = np.tile(np.arange(length + 2), n_users)
    (folder / NAME).mkdir()
    table.to_csv(folder / NAME / f"{NAME}.inter", sep="\t", index=False)


def measure(args: argparse.Namespace) -> common.Records:
    """Measures the case that the flags name, in this process, which does nothing else."""
    with tempfile.TemporaryDirectory() as folder:
        (runner,) = contenders(args, Path(folder), {"MAX_ITEM_LIST_LENGTH": args.length})
        runner.begin(0)
        runner.take(1)
        seconds = statistics.median(runner.take(args.steps))
        start = runner.begin(1)
    return [
        {
            "grows": args.case,
            "to": getattr(args, args.case),
            "name": runner.name,
            "form": runner.form,
            "median_step_seconds": seconds,
            "epoch_start_seconds": start,
            "epoch_seconds": start + seconds * runner.batches,
            "peak_mb": common.peak_mb(args.gpu),
        }
    ]


def benchmark(args: argparse.Namespace, fresh: Callable[..., common.Records] = common.fresh) -> common.Records:
    """Measures all cases, each in a fresh process, or one in this, and prints the table."""
    records = measure(args) if args.case else [it for axis in args.axes for it in _axis(args, axis, fresh)]
    common.print_table(records, COLUMNS)
    return records


def _axis(args: argparse.Namespace, axis: str, fresh: Callable[..., common.Records]) -> common.Records:
    """The cases along one axis, data made up once for each size."""
    records: common.Records = []
    for size in GROWTH[axis]:
        if size > args.largest:
            continue
        sizes = BASE | ({"users": USERS_OF_LONG_ROWS} if axis == "length" else {}) | {axis: size}
        with tempfile.TemporaryDirectory() as folder:
            make_up(Path(folder), sizes["items"], sizes["length"], sizes["users"], seed=1)
            args.data_path = folder
            same = ("steps", "batch_size", "sequence_batch_size", "hidden_size")
            given = sizes | {name: getattr(args, name) for name in same}
            flags = [f"--{name}={value}" for name, value in given.items()]
            for key in CONTENDERS[axis]:
                shared = *common.shared_flags(args), *flags
                records += fresh(__file__, *shared, "--case", axis, "--only", key)
    return records


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Reads the flags."""
    flags = common.parser(__doc__, NAME)
    flags.add_argument("--axes", nargs="+", choices=GROWTH, default=list(GROWTH), help="what grows (default: all)")
    flags.add_argument("--largest", type=int, default=10**9, help="leaves out the sizes above")
    flags.add_argument("--steps", type=int, default=5, help="counted steps of each case (default: %(default)s)")
    flags.add_argument("--batch_size", type=int, default=256, help="rows, prefix form (default: %(default)s)")
    flags.add_argument("--sequence_batch_size", type=int, default=64, help="users, sequence form")
    flags.add_argument("--hidden_size", type=int, default=64, help="D (default: %(default)s)")
    flags.add_argument("--case", choices=GROWTH, help="measure this alone, in this process, of data that are there")
    for name, value in BASE.items():
        flags.add_argument(f"--{name}", type=int, default=value, help="of those data (default: %(default)s)")
    flags.add_argument("--only", nargs=1, choices=OURS, default=["SASRec:sequence"], metavar="NAME")
    return flags.parse_args(argv)


if __name__ == "__main__":
    sys.exit(common.run_script(benchmark, arguments(None)))
