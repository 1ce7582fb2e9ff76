"""Training speed of our models compared with plain RecBole's SASRec.

All contenders run in one process and take turns of a few steps, so that disturbances of the machine affect all of them.
RecBole's contender is its own dataset, loader, model, torch Adam and ``Trainer._train_epoch``, fed a few of its
batches. Each turn sets up the conditions of its contender's users:

* RecBole: anomaly detection on, because importing any sequential RecBole model enables it. A second RecBole
  contender has anomaly detection off, which no user gets without asking for it.
* ours: anomaly detection off, as our trainer sets it.

``malloc`` is tuned for all of them as by the command line (``recbole_cl/allocator.py``); this makes RecBole faster,
too, than its users have it. With ``GLIBC_TUNABLES=`` before the command, it is not tuned.

The first step of a turn includes the cost of switching and is not counted. Epoch time is the median step times the
number of steps in an epoch, plus what the model does before an epoch's first step: ICLRec clusters its rows there.
Peaks are those of a separate process for each contender, loading included. With ``--gpu`` everything runs on the GPU,
where a step ends when the device has finished it.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from recbole_cl.allocator import restart_with_tuned_malloc  # before torch, as in every run

if __name__ == "__main__":
    restart_with_tuned_malloc()

# isort: split
import torch
from recbole.data.dataloader import TrainDataLoader
from recbole.utils import init_seed
from tabulate import tabulate

from benchmarks import _common as common
from benchmarks._work import Segment, Sizes, matmul_rate, record_segments, sizes_of, step_flops
from recbole_cl.config.models import model_class, own_models, recboles_model
from recbole_cl.config.settings import settings_class
from recbole_cl.data.dataset import ContrastiveDataset
from recbole_cl.runs.build import build_data, build_loader, build_model, build_trainer

BASELINE = "RecBole SASRec"
RECBOLE = {BASELINE: True, f"{BASELINE}, no anomaly detection": False}
COUNTED = ("SASRec", "CL4SRec", "DuoRec")  # ``step_flops`` can count their arithmetic; these are the default contenders
_MODELS = [*COUNTED, *(name for name in own_models() if name not in COUNTED)]
OURS = {f"{name}:{form}": (name, form) for form in ("prefix", "sequence") for name in _MODELS}
BY_DEFAULT = [*RECBOLE, *(key for key, (name, _) in OURS.items() if name in COUNTED)]
LENGTH = 50  # most recent items of a row
COLUMNS = (
    ("model", ""),
    ("form", ""),
    ("step, s", ".4f"),
    ("start, s", ".2f"),
    ("targets / s", ".0f"),
    ("epoch, s", ".2f"),
    ("peak, MB", ".0f"),
    ("RecBole's / its epoch", ".2f"),
    ("GFLOP / epoch", ".0f"),
    ("of matmul rate", ".1%"),
)
PEAK_STEPS = ("--steps", "5", "--warmup", "1", "--matmul_size", "64")


@dataclass(frozen=True)
class Contender:
    """A contender that trains.

    Attributes:
        name: Its name in the table.
        form: Training form.
        batches: Number of steps in an epoch.
        targets: Number of targets that an epoch supervises.
        take: Trains a given number of steps; returns the seconds of each, fetching the batch included.
        begin: Does the work at the start of an epoch, counted from 0; returns the seconds.
        views: Views of every batch taken so far.
        sizes: Sizes of the model.
    """

    name: str
    form: str
    batches: int
    targets: int
    take: Callable[[int], list[float]]
    begin: Callable[[int], float]
    views: list[list[Segment]]
    sizes: Sizes


def contenders(args: argparse.Namespace, folder: Path, more: Mapping[str, Any] | None = None) -> Iterator[Contender]:
    """Builds the contenders that ``--only`` names, data once for each side; ``more`` are settings for ours."""
    sizes = {"hidden_size": args.hidden_size, "inner_size": 4 * args.hidden_size}
    settings = {"MAX_ITEM_LIST_LENGTH": LENGTH, "train_batch_size": args.batch_size, **sizes}
    if theirs := [name for name in args.only if name in RECBOLE]:
        config = common.config_of(args, recboles_model("SASRec"), folder, **settings)
        train = common.recbole_splits(config)[0]
        for name in theirs:
            yield _recbole(name, config, train, folder, args.gpu)
    if ours := [OURS[key] for key in args.only if key in OURS]:
        own = settings | dict(more or {})
        train = training_part(args.dataset, args.data_path, own["MAX_ITEM_LIST_LENGTH"])
        for name, form in ours:
            yield _ours(args, name, form, train, folder, own)


@lru_cache(maxsize=1)
def training_part(dataset: str, data_path: str, length: int) -> ContrastiveDataset:
    """The training split, read once per process for all our contenders."""
    where = argparse.Namespace(dataset=dataset, data_path=data_path, gpu=False)
    with tempfile.TemporaryDirectory() as folder:
        config = common.config_of(where, "SASRec", Path(folder), MAX_ITEM_LIST_LENGTH=length)
        return build_data(config)[1][0]


def _recbole(name: str, config: Any, train: Any, folder: Path, gpu: bool) -> Contender:
    init_seed(config["seed"], config["reproducibility"])
    model = config.model_class(config, train).to(config["device"])
    loader = TrainDataLoader(config, train, None, shuffle=True)
    trainer = common.recbole_trainer(config, model, folder)
    batches = _forever(loader)

    def take(n: int) -> list[float]:
        seconds: list[float] = []
        with torch.autograd.set_detect_anomaly(RECBOLE[name]):
            trainer._train_epoch(_clocked(batches, n, seconds, gpu), 0)
        return seconds

    views, sizes = record_segments(model), sizes_of(model, config)
    return Contender(name, "prefix", len(loader), len(train), take, lambda epoch: 0.0, views, sizes)


def _ours(
    args: argparse.Namespace, name: str, form: str, train: ContrastiveDataset, folder: Path, settings: dict[str, Any]
) -> Contender:
    batch_size = args.batch_size if form == "prefix" else args.sequence_batch_size
    settings = settings | {"train_form": form, "train_batch_size": batch_size}
    if "complement" in settings_class(model_class(name)).model_fields:
        settings["complement"] = "none"  # otherwise a second encoder would be trained first
    config = common.config_of(args, name, folder, **settings)
    model = build_model(config, train)
    loader = build_loader(config, model, train)
    trainer = build_trainer(config, model, folder)
    batches = _forever(loader)
    model.start_epoch(0)

    def take(n: int) -> list[float]:
        seconds: list[float] = []
        model.train()
        with torch.autograd.set_detect_anomaly(False):
            for batch in _clocked(batches, n, seconds, args.gpu):
                trainer.step(batch.to(config["device"]))
        return seconds

    def begin(epoch: int) -> float:
        start = common.now(args.gpu)
        model.start_epoch(epoch)
        return common.now(args.gpu) - start

    targets = len(loader.prefixes)  # in either form, every prefix's target is a target of some row
    return Contender(name, form, len(loader), targets, take, begin, record_segments(model), sizes_of(model, config))


def _forever(loader: Iterable[Any]) -> Iterator[Any]:
    while True:
        yield from loader


def _clocked(batches: Iterator[Any], n: int, seconds: list[float], gpu: bool) -> Iterator[Any]:
    """Yields n batches, and records the time to fetch each and the time until the next one is requested."""
    for _ in range(n):
        begin = common.now(gpu)
        yield next(batches)
        seconds.append(common.now(gpu) - begin)


def interleave(runners: Sequence[Contender], steps: int, warmup: int, turn: int) -> list[list[float]]:
    """Trains all contenders in turns.

    Args:
        runners: The contenders.
        steps: Counted steps of each, at least 1.
        warmup: Steps of each before the first turn.
        turn: Counted steps of a turn; one uncounted step precedes them.

    Returns:
        Seconds of the counted steps of each contender.
    """
    seconds: list[list[float]] = [[] for _ in runners]
    for runner in runners:
        runner.begin(0)
        runner.take(warmup)
    for done in range(0, steps, turn):
        for runner, mine in zip(runners, seconds, strict=True):
            mine += runner.take(1 + min(turn, steps - done))[1:]
    return seconds


def figures(runners: Sequence[Contender], seconds: Sequence[Sequence[float]]) -> common.Records:
    """The record of each contender, without its peak."""
    records: common.Records = []
    for runner, mine in zip(runners, seconds, strict=True):
        start = runner.begin(1)
        epoch = start + statistics.median(mine) * runner.batches
        records.append(
            {
                "name": runner.name,
                "form": runner.form,
                "median_step_seconds": statistics.median(mine),
                "epoch_start_seconds": start,
                "targets_per_second": runner.targets / epoch,
                "epoch_seconds": epoch,
                "peak_mb": None,
                "epoch_ratio_to_recbole_sasrec": None,
            }
        )
    baseline = next((record["epoch_seconds"] for record in records if record["name"] == BASELINE), None)
    for record in records:
        if baseline is not None:
            record["epoch_ratio_to_recbole_sasrec"] = baseline / record["epoch_seconds"]
    return records


def peak(args: argparse.Namespace, key: str, fresh: Callable[..., common.Records] = common.fresh) -> float:
    """Peak memory of a process that loads the data and trains one contender for a few steps, in MB."""
    if len(args.only) == 1:
        return common.peak_mb(args.gpu)
    sizes = [f"--{name}={getattr(args, name)}" for name in ("batch_size", "sequence_batch_size", "hidden_size")]
    record = fresh(__file__, *common.shared_flags(args), *sizes, *PEAK_STEPS, "--only", key)[0]
    return float(record["peak_mb"])


def benchmark(args: argparse.Namespace) -> common.Records:
    """Measures, prints the table and returns the records."""
    with tempfile.TemporaryDirectory() as folder:
        runners = list(contenders(args, Path(folder)))
        records = figures(runners, interleave(runners, args.steps, args.warmup, args.turn))
    if args.peak:
        for record, key in zip(records, args.only, strict=True):
            record["peak_mb"] = peak(args, key)
    rate = matmul_rate(args.matmul_size, gpu=args.gpu)
    work = [epoch_work(runner) for runner in runners]
    common.print_table(
        [record | _shares(flops, rate, record["epoch_seconds"]) for record, flops in zip(records, work, strict=True)],
        COLUMNS,
    )
    _print_conditions(args, rate)
    for runner in runners if args.profile else ():
        _print_profile(runner, args.profile, args.gpu)
    return records


def _print_profile(runner: Contender, steps: int, gpu: bool) -> None:
    """Prints the operators that take at least 5 % of a contender's steps, not counting the operators that they call."""
    runner.take(1)
    with torch.profiler.profile() as profile:
        runner.take(steps)
    name = "self_device_time_total" if gpu else "self_cpu_time_total"
    operators = [event for event in profile.key_averages() if event.device_type == torch.autograd.DeviceType.CPU]
    spent = sorted(((getattr(event, name), event.key, event.count) for event in operators), reverse=True)
    total = sum(microseconds for microseconds, _, _ in spent)
    rows = [(key, calls / steps, part / total) for part, key, calls in spent if part >= 0.05 * total]
    rest = 1 - sum(share for _, _, share in rows)
    print(f"\n{runner.name}, {runner.form}: operators with 5 % and more of the time, {rest:.0%} in all others")
    print(tabulate(rows, headers=("operator", "calls a step", "share"), floatfmt=("", ".1f", ".1%")))


def _print_conditions(args: argparse.Namespace, rate: float) -> None:
    size, threads = args.matmul_size, f"{torch.get_num_threads()} thread(s)"
    where = torch.cuda.get_device_name() if args.gpu else threads
    print(f"\nmatmul rate: {rate / 1e9:.1f} GFLOP/s at {size} x {size} x {size}, float32, {where}")
    print(f"{args.dataset}, {args.steps} steps each, of {args.batch_size} (sequence: {args.sequence_batch_size}) rows")


def _shares(flops: float | None, rate: float, seconds: float) -> dict[str, float | None]:
    """The columns on useful work; empty for a model whose work is not counted."""
    if flops is None:
        return {"GFLOP_per_epoch": None, "share_of_matmul_rate": None}
    return {"GFLOP_per_epoch": flops / 1e9, "share_of_matmul_rate": flops / rate / seconds}


def epoch_work(runner: Contender) -> float | None:
    """Useful operations of an epoch, from the batches taken so far; None if they cannot be counted for this model."""
    if runner.name not in (*RECBOLE, *COUNTED):
        return None
    return statistics.fmean(step_flops(views, runner.sizes) for views in runner.views) * runner.batches


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Reads the flags."""
    flags = common.parser(__doc__, "amazon-beauty")
    flags.add_argument("--steps", type=int, default=40, help="counted steps of each contender (default: %(default)s)")
    flags.add_argument("--warmup", type=int, default=5, help="steps of each before that (default: %(default)s)")
    flags.add_argument("--turn", type=int, default=5, help="counted steps of one turn (default: %(default)s)")
    flags.add_argument("--batch_size", type=int, default=256, help="rows, prefix form (default: %(default)s)")
    flags.add_argument(
        "--sequence_batch_size",
        type=int,
        default=64,
        help="users, sequence form; its steps supervise several times as many targets (default: %(default)s)",
    )
    flags.add_argument(
        "--peak",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="measure peak memory, in a process for each contender",
    )
    flags.add_argument("--profile", type=int, default=0, metavar="STEPS", help="also profile this many steps of each")
    flags.add_argument("--matmul_size", type=int, default=4096, help="for the machine's rate (default: %(default)s)")
    flags.add_argument("--hidden_size", type=int, default=64, help="D (default: %(default)s)")
    flags.add_argument("--methods", choices=("all",), help="every model of ours in both forms, and RecBole's SASRec")
    every = [*RECBOLE, *OURS]
    flags.add_argument("--only", nargs="+", choices=every, default=BY_DEFAULT, metavar="NAME", help=f"out of {every}")
    args = flags.parse_args(argv)
    for name in ("steps", "turn", "batch_size", "sequence_batch_size", "hidden_size", "matmul_size"):
        if getattr(args, name) < 1:
            flags.error(f"--{name} {getattr(args, name)}: expected at least 1")
    if args.methods:
        args.only = [BASELINE, *OURS]
    args.only = [key for key in every if key in args.only]  # in the order of the records
    return args


if __name__ == "__main__":
    sys.exit(common.run_script(benchmark, arguments(None)))
