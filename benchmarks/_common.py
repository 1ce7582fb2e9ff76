"""Shared code of the benchmarks: settings, plain RecBole's data, memory of a process, fresh processes, output."""

from __future__ import annotations

import argparse
import contextlib
import json
import resource
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from recbole.data.dataset import SequentialDataset
from recbole.trainer import Trainer as RecBoleTrainer
from tabulate import tabulate

from recbole_cl.config.config import Config
from recbole_cl.data.files.names import ensure_dataset_available
from recbole_cl.errors import UsageError
from recbole_cl.trainer.tensorboard import tensorboard_in
from recbole_cl.writing import atomic_write_json

ROOT = Path(__file__).resolve().parents[1]

Records = list[dict[str, Any]]

warnings.filterwarnings("ignore", category=FutureWarning, module=r"recbole\.")  # RecBole with newer pandas, torch

# The model of every benchmark, with the sizes of the contrastive papers' experiments.
MODEL_SETTINGS: Mapping[str, Any] = {
    "hidden_size": 64,
    "inner_size": 256,
    "n_layers": 2,
    "n_heads": 2,
    "hidden_dropout_prob": 0.5,
    "attn_dropout_prob": 0.5,
}


class FakeDataset:
    """The part of a dataset that our models read: its number of items."""

    def __init__(self, n_items: int) -> None:
        self.n_items = n_items

    def num(self, field: str) -> int:
        """Size of the item table, whatever the field."""
        return self.n_items


def parser(doc: str | None, dataset: str) -> argparse.ArgumentParser:
    """A parser with the flags of every benchmark; ``doc`` is the script's docstring, ``dataset`` its default."""
    flags = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--dataset", default=dataset, help="folder under the data path (default: %(default)s)")
    flags.add_argument("--data_path", default=str(ROOT / "dataset"), help="folder of dataset folders")
    flags.add_argument("--threads", type=int, help="torch threads (default: torch's own choice)")
    flags.add_argument("--gpu", action="store_true", help="on the GPU; peaks are then of the memory allocated there")
    flags.add_argument(
        "--json",
        nargs="?",
        const="-",
        metavar="FILE",
        help="also write the figures as JSON; without FILE, or with -, to stdout",
    )
    return flags


def config_of(
    args: argparse.Namespace, model: str | type, folder: Path, *, dataset: str | None = None, **settings: Any
) -> Config:
    """The settings of one contender: on the device chosen by ``--gpu``, writing files only to ``folder``."""
    common = {"use_gpu": args.gpu, "show_progress": False, "state": "error"}
    paths = {"data_path": args.data_path, "checkpoint_dir": str(folder)}
    return Config(model, dataset or args.dataset, config_dict={**MODEL_SETTINGS, **common, **paths, **settings})


def recbole_splits(config: Config) -> list[Any]:
    """Training, validation and test part of RecBole's own dataset.

    RecBole's ``create_dataset`` is not used, because it unpickles a file of a certain name if it finds one.
    """
    ensure_dataset_available(config["dataset"], Path(config["data_path"]))
    splits: list[Any] = SequentialDataset(config).build()
    return splits


def recbole_trainer(config: Config, model: Any, folder: Path) -> Any:
    """RecBole's own trainer, with its event file in ``folder``."""
    with tensorboard_in(folder):
        return RecBoleTrainer(config, model)


def now(gpu: bool) -> float:
    """Seconds on a monotonic clock; on a GPU, after all its pending work is done."""
    if gpu:
        torch.cuda.synchronize()
    return time.perf_counter()


def peak_mb(gpu: bool) -> float:
    """Peak memory of this process, or its peak allocation on the GPU."""
    return torch.cuda.max_memory_allocated() / 2**20 if gpu else memory_mb("VmHWM")


def reset_peak(gpu: bool) -> None:
    """Resets the GPU's peak; that of a process cannot be reset."""
    if gpu:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def memory_mb(field: str) -> float:
    """Resident memory of this process: ``VmRSS`` now, ``VmHWM`` at its peak; without /proc, the peak for both.

    ``ru_maxrss`` is used only if nothing else exists: a child process inherits its parent's value.
    """
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def fresh(script: str, *arguments: str) -> Records:
    """Runs a benchmark in a fresh process and returns its figures."""
    command = [sys.executable, script, *arguments, "--json", "-"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UsageError(f"{' '.join(command)} failed with exit code {done.returncode}:\n{done.stderr.strip()}")
    records: Records = json.loads(done.stdout)
    return records


def shared_flags(args: argparse.Namespace) -> Iterator[str]:
    """The flags that must be passed on to a fresh process."""
    yield from ("--data_path", args.data_path, "--dataset", args.dataset)
    if args.threads:
        yield from ("--threads", str(args.threads))
    if args.gpu:
        yield "--gpu"


def run_script(benchmark: Callable[[argparse.Namespace], Records], args: argparse.Namespace) -> int:
    """Runs a benchmark, which prints its tables, and writes its figures as ``--json`` says.

    Returns:
        The exit code.
    """
    if args.threads:
        torch.set_num_threads(args.threads)
    to_stdout = args.json == "-"
    try:
        if args.gpu and not torch.cuda.is_available():
            raise UsageError("--gpu: torch sees none here; leave it out")
        with contextlib.redirect_stdout(sys.stderr if to_stdout else sys.stdout):
            records = benchmark(args)
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if to_stdout:
        print(json.dumps(records, indent=2))
    elif args.json:
        atomic_write_json(args.json, records)
    return 0


def print_table(records: Sequence[Mapping[str, Any]], columns: Sequence[tuple[str, str]]) -> None:
    """Prints records with equal keys; each column has a heading and tabulate's format of its numbers."""
    headings, formats = zip(*columns, strict=True)
    print(tabulate([list(record.values()) for record in records], headers=headings, floatfmt=formats))
