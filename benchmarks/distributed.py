"""Training speed of two processes compared with one, with one thread each, and the cost of their communication.

For every contender the processes are forked from this one after the data have been read: first one alone, then two that
    share the same batches (``recbole_cl/distributed``), and so on in turns, so that slow changes of the machine affect
    both. A step includes fetching its batch. Communication is the time that the first process spends in collective
    operations, including waiting for the other one: on one machine with gloo, over the loopback interface. On a busy
    machine wall-clock times mean little. Processor time per step of one of two processes, divided by that of one alone,
    still shows how well the work is shared: its inverse is the speed-up with two idle cores and a network without cost.
    CPU only.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from recbole_cl.allocator import restart_with_tuned_malloc  # before torch, as in every run

if __name__ == "__main__":
    restart_with_tuned_malloc()

# isort: split
import torch
import torch.distributed as dist

from benchmarks import _common as common
from recbole_cl.config.models import model_class, own_models
from recbole_cl.config.settings import settings_class
from recbole_cl.data.dataset import ContrastiveDataset
from recbole_cl.distributed.processes import join
from recbole_cl.distributed.sharing import shared_work
from recbole_cl.runs.build import build_data, build_loader, build_model, build_trainer

FORMS = ("prefix", "sequence")
ALL = [f"{name}:{form}" for form in FORMS for name in own_models()]
BY_DEFAULT = [f"{name}:{form}" for form in FORMS for name in ("SASRec", "CL4SRec", "DuoRec")]
COLUMNS = (
    ("model", ""),
    ("form", ""),
    ("rows", ".0f"),
    ("one, s", ".4f"),
    ("two, s", ".4f"),
    ("speed-up", ".2f"),
    ("work of each", ".2f"),
    ("communication", ".1%"),
)


def steps_of(
    args: argparse.Namespace, key: str, train: ContrastiveDataset, folder: Path, rank: int, size: int, port: int
) -> None:
    """Trains one contender as one of a number of processes; the first writes its seconds to the folder."""
    torch.set_num_threads(1)
    if size > 1:
        os.environ |= {"WORLD_SIZE": str(size), "RANK": str(rank), "LOCAL_RANK": str(rank)}
        os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        join(torch.device("cpu"))
    own = folder / str(rank)
    own.mkdir(exist_ok=True)
    name, form = key.split(":")
    config = common.config_of(args, name, own, **_settings(args, name, form))
    model = build_model(config, train)
    loader = build_loader(config, model, train)
    trainer = build_trainer(config, model, own)
    seconds, worked = [], 0.0
    with shared_work(), _clocked_collectives() as spent, torch.autograd.set_detect_anomaly(False):
        model.start_epoch(0)
        model.train()
        batches = _forever(loader)
        for step in range(args.warmup + args.steps):
            if step == args.warmup:
                spent.clear()
                worked = time.process_time()
            begin = time.perf_counter()
            trainer.step(next(batches))
            seconds.append(time.perf_counter() - begin)
        worked = time.process_time() - worked
    found = {"steps": seconds[args.warmup :], "communication": sum(spent), "worked": worked}
    if rank == 0:
        (folder / "found.json").write_text(json.dumps(found), encoding="utf-8")


def _settings(args: argparse.Namespace, name: str, form: str) -> dict[str, Any]:
    settings = {"MAX_ITEM_LIST_LENGTH": 50, "train_form": form, "train_batch_size": args.batch_size}
    if "complement" in settings_class(model_class(name)).model_fields:
        settings["complement"] = "none"  # otherwise a second encoder would be trained first
    return settings


def _forever(loader: Any) -> Iterator[Any]:
    while True:
        yield from loader


@contextmanager
def _clocked_collectives() -> Iterator[list[float]]:
    """Records the seconds of every collective operation in the block."""
    spent: list[float] = []

    def clocked(operation: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **options: Any) -> Any:
            begin = time.perf_counter()
            try:
                return operation(*arguments, **options)
            finally:
                spent.append(time.perf_counter() - begin)

        return run

    names = ("all_reduce", "all_gather", "broadcast")
    before = {name: getattr(dist, name) for name in names}
    for name in names:
        setattr(dist, name, clocked(before[name]))
    try:
        yield spent
    finally:
        for name in names:
            setattr(dist, name, before[name])


def trained_by(size: int, *job: Any) -> dict[str, Any]:
    """Lets a number of processes train a contender, and returns the results of the first."""
    args, key, train, folder = job
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    fork = multiprocessing.get_context("fork")  # the children inherit the imports and the data
    children = [
        fork.Process(target=steps_of, args=(args, key, train, folder, rank, size, port)) for rank in range(size)
    ]
    for child in children:
        child.start()
    for child in children:
        child.join()
    if any(child.exitcode for child in children):
        raise RuntimeError(f"{key}: a process has failed")
    found: dict[str, Any] = json.loads((folder / "found.json").read_text(encoding="utf-8"))
    return found


def benchmark(args: argparse.Namespace) -> common.Records:
    """Measures, prints the table and returns the records."""
    records: common.Records = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        train = build_data(common.config_of(args, "SASRec", folder, MAX_ITEM_LIST_LENGTH=50))[1][0]
        for key in args.only:
            steps: dict[int, list[float]] = {1: [], 2: []}
            busy, worked = 0.0, dict.fromkeys(steps, 0.0)
            for _ in range(args.rounds):
                for size, mine in steps.items():
                    found = trained_by(size, args, key, train, folder)
                    mine += found["steps"]
                    worked[size] += found["worked"]
                    busy += found["communication"] if size == 2 else 0
            one, two = (statistics.median(mine) for mine in steps.values())
            model, form = key.split(":")
            records.append(
                {
                    "name": model,
                    "form": form,
                    "rows": args.batch_size,
                    "one_process_step_seconds": one,
                    "two_processes_step_seconds": two,
                    "speed_up": one / two,
                    "processor_time_of_one_of_two": worked[2] / worked[1],
                    "share_of_communication": busy / sum(steps[2]),
                }
            )
    common.print_table(records, COLUMNS)
    load = os.getloadavg()[0]
    print(f"\n{args.dataset}, {args.rounds} x {args.steps} steps each, {os.cpu_count()} cores, load {load:.1f}")
    return records


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Reads the flags."""
    flags = common.parser(__doc__, "amazon-beauty")
    flags.add_argument("--steps", type=int, default=20, help="counted steps of a turn (default: %(default)s)")
    flags.add_argument("--warmup", type=int, default=3, help="steps of each turn before that (default: %(default)s)")
    flags.add_argument("--rounds", type=int, default=3, help="turns of one and of two processes (default: %(default)s)")
    flags.add_argument("--batch_size", type=int, default=256, help="rows of a step (default: %(default)s)")
    flags.add_argument("--only", nargs="+", choices=ALL, default=BY_DEFAULT, metavar="NAME", help=f"out of {ALL}")
    args = flags.parse_args(argv)
    for name in ("steps", "rounds", "batch_size"):
        if getattr(args, name) < 1:
            flags.error(f"--{name} {getattr(args, name)}: expected at least 1")
    if args.gpu:
        flags.error("--gpu: two processes would need a GPU each; this measures CPUs")
    return args


if __name__ == "__main__":
    sys.exit(common.run_script(benchmark, arguments(None)))
