"""The main measurements of one GPU, in less than eight minutes, as one JSON.

* steps of every model of ours, in both forms, and of RecBole's SASRec, with hidden sizes 64 and 256: median
  seconds, peak memory allocated, and share of the matmul rate if the arithmetic is counted;
* SASRec and DuoRec at 256 with TF32 (``float32_precision: high``) and with bfloat16 (``enable_amp``);
* DuoRec at length 1,000: seconds and memory;
* an evaluation, both protocols;
* the tests that can use a GPU.

A part that fails says so in its record and does not stop the others. Parts that do not fit into the time are listed.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch

from benchmarks import _common as common
from benchmarks import memory, train
from benchmarks._work import matmul_rate
from recbole_cl.runs.build import build_data, build_model, build_trainer
from recbole_cl.runs.evaluation_rows import build_evaluation_rows

TESTS = ("tests/loss/test_chunked.py", "tests/encoder/test_gru.py", "tests/encoder/test_kernels.py")
PRECISIONS: dict[str, dict[str, Any]] = {
    "float32": {},
    "TF32": {"float32_precision": "high"},
    "bfloat16": {"enable_amp": True},
}
Part = tuple[str, Callable[[], dict[str, Any]]]


def parts(args: argparse.Namespace, folder: Path) -> Iterator[Part]:
    """The measurements, the most informative first."""
    for size in args.sizes:
        for key in (train.BASELINE, *train.OURS):
            yield f"{key}, {size}", lambda key=key, size=size: steps(args, folder, key, size)  # type: ignore[misc]
        yield f"evaluation, {size}", lambda size=size: evaluation(args, folder, size)  # type: ignore[misc]
    for name, form, precision in product(("SASRec", "DuoRec"), ("prefix", "sequence"), ("TF32", "bfloat16")):
        key, size = f"{name}:{form}", args.sizes[-1]
        yield (
            f"{key}, {size}, {precision}",
            lambda key=key, size=size, how=precision: steps(args, folder, key, size, how),  # type: ignore[misc]
        )
    yield "DuoRec, length 1000", lambda: long_rows(args, folder)
    yield "tests", tests


def steps(args: argparse.Namespace, folder: Path, key: str, size: int, precision: str = "float32") -> dict[str, Any]:
    """Steps of one contender, alone on the device."""
    common.reset_peak(args.gpu)
    own = train.arguments([*common.shared_flags(args), "--hidden_size", str(size), "--only", key, "--no-peak"])
    (contender,) = train.contenders(own, folder, PRECISIONS[precision])
    contender.take(args.warmup)
    contender.views.clear()
    median = statistics.median(contender.take(args.steps))
    work = train.epoch_work(contender)
    return {
        **{"name": contender.name, "form": contender.form, "hidden_size": size, "precision": precision},
        **{"median_step_seconds": median, "epoch_seconds": median * contender.batches},
        **{"targets_per_second": contender.targets / (median * contender.batches), "peak_mb": common.peak_mb(args.gpu)},
        "GFLOP_per_second": None if work is None else work / 1e9 / (median * contender.batches),
    }


def evaluation(args: argparse.Namespace, folder: Path, size: int) -> dict[str, Any]:
    """Ranks the validation rows with an untrained SASRec, under both protocols."""
    config = common.config_of(args, "SASRec", folder, MAX_ITEM_LIST_LENGTH=50, hidden_size=size, inner_size=4 * size)
    train_split, valid, _ = build_data(config)[1]
    trainer = build_trainer(config, build_model(config, train_split), folder)
    rows = build_evaluation_rows(config, valid, "validation")
    seconds = []
    for _ in range(3):
        begin = common.now(args.gpu)
        trainer.rank(rows)
        seconds.append(common.now(args.gpu) - begin)
    return {"hidden_size": size, "users": len(rows.order), "median_seconds": statistics.median(seconds)}


def long_rows(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """DuoRec's unsupervised contrast on synthetic rows of up to 1,000 items, prefix form."""
    common.reset_peak(args.gpu)
    settings = {"MAX_ITEM_LIST_LENGTH": args.length, "contrast": "un", "train_form": "prefix", "complement": "none"}
    config = common.config_of(args, "DuoRec", folder, dataset="synthetic", **settings)
    model = config.model_class(config, common.FakeDataset(10_001)).to(config["device"])
    trainer = build_trainer(config, model, folder)
    model.train()
    seconds = []
    for batch in memory.random_batches(model, 256 if args.gpu else 8, args.length):
        begin = common.now(args.gpu)
        trainer.step(batch.to(config["device"]))
        seconds.append(common.now(args.gpu) - begin)
    return {"length": args.length, "step_seconds": seconds, "peak_mb": common.peak_mb(args.gpu)}


def tests() -> dict[str, Any]:
    """The tests that run on the CPU and, if there is one, on a GPU."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=90, cwd=common.ROOT)
    return {"exit_code": done.returncode, "summary": done.stdout.strip().splitlines()[-1:]}


def benchmark(args: argparse.Namespace) -> common.Records:
    """Measures part after part until the time is up."""
    begin = time.perf_counter()
    device = torch.cuda.get_device_name() if args.gpu else "CPU"
    rate = matmul_rate(args.matmul_size, gpu=args.gpu)
    records: common.Records = [{"part": "machine", "device": device, "torch": torch.__version__, "matmul_FLOPS": rate}]
    with tempfile.TemporaryDirectory() as folder:
        for name, measure in parts(args, Path(folder)):
            if time.perf_counter() - begin > args.minutes * 60:
                records.append({"part": name, "left_out": True})
                continue
            try:
                record = {"part": name, **measure()}
            except Exception as error:  # noqa: BLE001  # time on the machine is short: the other parts must still run
                record = {"part": name, "error": f"{type(error).__name__}: {error}"[:500]}
            gflops = record.get("GFLOP_per_second")
            record |= {"share_of_matmul_rate": gflops * 1e9 / rate} if gflops else {}
            print(record, flush=True)
            records.append(record)
            gc.collect()
    return records


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Reads the flags."""
    flags = common.parser(__doc__, "ml-100k")
    flags.add_argument("--steps", type=int, default=20, help="counted steps of each (default: %(default)s)")
    flags.add_argument("--warmup", type=int, default=5, help="steps of each before that (default: %(default)s)")
    flags.add_argument("--sizes", type=int, nargs="+", default=[64, 256], help="hidden sizes")
    flags.add_argument("--length", type=int, default=1000, help="of the long rows (default: %(default)s)")
    flags.add_argument("--matmul_size", type=int, default=4096, help="for the machine's rate (default: %(default)s)")
    flags.add_argument("--minutes", type=float, default=6.5, help="after which no part begins (default: %(default)s)")
    return flags.parse_args(argv)


if __name__ == "__main__":
    sys.exit(common.run_script(benchmark, arguments(None)))
