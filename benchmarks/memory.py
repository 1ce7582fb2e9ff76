"""Peak memory and time of demanding cases, each in its own process.

* ``loading``: a dataset of long sequences, until the training loader (with the same-target index) and the evaluation
  rows are ready.
* ``recbole_loading``: RecBole's own dataset and loader for the same data, for comparison.
* ``training``: DuoRec's prefix form on these data, for a number of steps; the peak includes loading.
* ``catalogue``: SASRec over many synthetic items with the chunked loss and Adam, a few steps. Weights, their gradient
  and Adam's two moments take 4 x items x 64 x 4 bytes of it.

Peaks are those of the whole process; "above imports" excludes what Python, torch and RecBole take when imported.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from recbole_cl.allocator import restart_with_tuned_malloc  # before torch, as in every run

if __name__ == "__main__":
    restart_with_tuned_malloc()

# isort: split
import torch
from recbole.data.dataloader import TrainDataLoader
from recbole.data.interaction import Interaction

from benchmarks import _common as common
from recbole_cl.config.models import recboles_model
from recbole_cl.runs.build import build_data, build_loader, build_model, build_trainer
from recbole_cl.runs.evaluation_rows import build_evaluation_rows

CATALOGUE_STEPS = 3
COLUMNS = (("case", ""), ("seconds", ".1f"), ("peak, MB", ".0f"), ("above imports, MB", ".0f"), ("what", ""))


def loading(args: argparse.Namespace, folder: Path) -> tuple[Any, Any, Any]:
    """Loads the dataset and builds everything that a run needs from it."""
    settings = {"MAX_ITEM_LIST_LENGTH": args.length, "train_batch_size": args.batch_size, "train_form": "prefix"}
    config = common.config_of(args, "DuoRec", folder, **settings)
    train, valid, test = build_data(config)[1]
    model = build_model(config, train)
    loader = build_loader(config, model, train)
    rows = [build_evaluation_rows(config, split, name) for split, name in ((valid, "validation"), (test, "test"))]
    assert all(len(split.order) for split in rows)
    return config, model, loader


def recbole_loading(args: argparse.Namespace, folder: Path) -> None:
    """Loads the dataset as plain RecBole does for SASRec."""
    settings = {"MAX_ITEM_LIST_LENGTH": args.length, "train_batch_size": args.batch_size}
    config = common.config_of(args, recboles_model("SASRec"), folder, **settings)
    splits = common.recbole_splits(config)
    assert len(TrainDataLoader(config, splits[0], None, shuffle=True))


def training(args: argparse.Namespace, folder: Path) -> None:
    """Loads, and trains the given number of steps."""
    config, model, loader = loading(args, folder)
    _train(config, model, islice(loader, args.steps), folder)


def catalogue(args: argparse.Namespace, folder: Path) -> None:
    """Trains on random rows over a catalogue of the given size."""
    config = common.config_of(
        args, "SASRec", folder, dataset="synthetic", MAX_ITEM_LIST_LENGTH=50, recommendation_loss="chunked_ce"
    )
    model = config.model_class(config, common.FakeDataset(args.items + 1)).to(config["device"])
    _train(config, model, random_batches(model, args.catalogue_batch_size, 50), folder)


def random_batches(model: Any, batch_size: int, width: int) -> Iterator[Interaction]:
    generator = torch.Generator().manual_seed(0)
    for _ in range(CATALOGUE_STEPS):
        length = torch.randint(1, width + 1, (batch_size,), generator=generator)
        item_seq = torch.randint(1, model.n_items, (batch_size, width), generator=generator)
        target = torch.randint(1, model.n_items, (batch_size,), generator=generator)
        item_seq *= torch.arange(width) < length[:, None]
        yield Interaction({model.ITEM_SEQ: item_seq, model.ITEM_SEQ_LEN: length, model.POS_ITEM_ID: target})


def _train(config: Any, model: Any, batches: Iterator[Any], folder: Path) -> None:
    trainer = build_trainer(config, model, folder)
    model.train()
    for batch in batches:
        terms = trainer.step(batch.to(config["device"]))
        assert all(bool(term.isfinite()) for term in terms.values())


CASES: dict[str, Callable[[argparse.Namespace, Path], object]] = {
    "loading": loading,
    "recbole_loading": recbole_loading,
    "training": training,
    "catalogue": catalogue,
}


def measure(args: argparse.Namespace) -> common.Records:
    """Runs one case in this process, which does nothing else."""
    before = common.memory_mb("VmRSS")
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        CASES[args.case](args, Path(folder))
        seconds = time.perf_counter() - begin
    peak = common.peak_mb(args.gpu)
    above = peak if args.gpu else peak - before
    record = {"case": args.case, "wall_seconds": seconds, "peak_mb": peak, "peak_above_imports_mb": above}
    return [{**record, "what": _description(args)}]


def _description(args: argparse.Namespace) -> str:
    if args.case == "catalogue":
        return f"{args.items} items, batch {args.catalogue_batch_size}, {CATALOGUE_STEPS} steps"
    trained = f", DuoRec, batch {args.batch_size}, {args.steps} steps" if args.case == "training" else ""
    return f"{args.dataset}, length {args.length}{trained}"


def benchmark(args: argparse.Namespace, fresh: Callable[..., common.Records] = common.fresh) -> common.Records:
    """Measures every case in a fresh process, or one case in this process, and prints the table."""
    records = measure(args) if args.case else [record for case in CASES for record in fresh(*_command(args, case))]
    common.print_table(records, COLUMNS)
    return records


def _command(args: argparse.Namespace, case: str) -> list[str]:
    sizes = ("length", "batch_size", "steps", "items", "catalogue_batch_size")
    flags = [flag for name in sizes for flag in (f"--{name}", str(getattr(args, name)))]
    return [__file__, *common.shared_flags(args), *flags, "--case", case]


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Reads the flags."""
    flags = common.parser(__doc__, "ml-1m")
    flags.add_argument("--case", choices=CASES, help="only this one, in the process that is started")
    sizes = {
        "length": (200, "most recent items of a row"),
        "batch_size": (256, "rows per step of training"),
        "steps": (20, "steps of training"),
        "items": (1_000_000, "items of the catalogue"),
        "catalogue_batch_size": (1024, "rows per step over the catalogue"),
    }
    for name, (default, text) in sizes.items():
        flags.add_argument(f"--{name}", type=int, default=default, help=f"{text} (default: %(default)s)")
    args = flags.parse_args(argv)
    for name in sizes:
        if getattr(args, name) < 1:
            flags.error(f"--{name} {getattr(args, name)}: expected at least 1")
    return args


if __name__ == "__main__":
    sys.exit(common.run_script(benchmark, arguments(None)))
