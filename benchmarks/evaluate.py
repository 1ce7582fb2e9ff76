"""Time of a full evaluation on the validation items, compared with plain RecBole's.

An untrained SASRec, with the same weights in RecBole's model and in ours, ranks every user's validation item among all
    items. RecBole's side is its own ``FullSortEvalDataLoader`` and ``Trainer.evaluate`` (Collector and Evaluator),
    which ranks under one protocol, history kept. It runs at its default batch size and at smaller ones, with RecBole's
    model, as its users run it, and with our model, where only the evaluation differs. Our side is ``RankEvaluator`` and
    the metrics of both protocols. All take turns in one process, and all must give the same metrics with the history
    kept.

With ``--synthetic N``, only ours ranks users among N items, and the peak memory is reported.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from recbole_cl.allocator import restart_with_tuned_malloc  # before torch, as in every run

if __name__ == "__main__":
    restart_with_tuned_malloc()

# isort: split
import torch
from recbole.data.dataloader import FullSortEvalDataLoader

from benchmarks import _common as common
from recbole_cl.config.models import recboles_model
from recbole_cl.data.rows import RowSet
from recbole_cl.evaluation.evaluate import RankEvaluator
from recbole_cl.evaluation.metrics import metrics_from_ranks
from recbole_cl.evaluation.ranks import evaluation_rows
from recbole_cl.runs.build import build_data, build_model
from recbole_cl.runs.evaluation_rows import build_evaluation_rows
from recbole_cl.runs.settings import settings_of

RECBOLE_DEFAULT = 4096
RECBOLE_SWEEP = (64, 256, 1024, RECBOLE_DEFAULT)
OURS = "RankEvaluator, both protocols"
COLUMNS = (
    ("evaluation", ""),
    ("model", ""),
    ("batch", ""),
    ("seconds", ".3f"),
    ("RecBole's default / its", ".2f"),
    ("RecBole's best / its", ".2f"),
)
SYNTHETIC_COLUMNS = (
    ("evaluation", ""),
    ("items", ""),
    ("users", ""),
    ("seconds", ".2f"),
    ("peak, MB", ".0f"),
    ("above imports, MB", ".0f"),
)
TOLERANCE = 2e-6  # metrics are rounded to 6 decimals; one user more or less in the list changes 1e-5 or more


class Contender(NamedTuple):
    """A way to evaluate: its name, the owner of its model, its batch size, and a function that returns its metrics."""

    name: str
    model: str
    batch_size: int
    run: Callable[[], Mapping[str, float]]


def contenders(args: argparse.Namespace, folder: Path) -> Iterator[Contender]:
    """Builds both sides, data included; work that a run does only once is not included in the time."""
    settings: dict[str, Any] = {"MAX_ITEM_LIST_LENGTH": 50}
    config = common.config_of(args, recboles_model("SASRec"), folder, **settings)
    train, valid, _ = common.recbole_splits(config)
    theirs = config.model_class(config, train).to(config["device"])
    our_config = common.config_of(args, "SASRec", folder, **settings)
    our_train, our_valid, _ = build_data(our_config)[1]
    ours = build_model(our_config, our_train)
    ours.load_state_dict(_translated(theirs.state_dict(), config["n_layers"]))
    rows = build_evaluation_rows(our_config, our_valid, "validation")
    evaluation = settings_of(our_config).evaluation
    evaluator = RankEvaluator(ours, evaluation.batch_size)

    def count_ranks() -> Mapping[str, float]:
        ranks = evaluator.rank(rows)
        metrics = {protocol: metrics_from_ranks(evaluation.metrics, counts) for protocol, counts in ranks.items()}
        return metrics["keep"]

    for owner, model in (("RecBole's", theirs), ("ours", ours)):
        for batch_size in RECBOLE_SWEEP:
            config["eval_batch_size"] = batch_size
            loader = FullSortEvalDataLoader(config, valid, None, shuffle=False)
            trainer = common.recbole_trainer(config, model, folder)
            yield Contender("RecBole", owner, batch_size, _recbole(trainer, loader))
    yield Contender(OURS, "ours", evaluation.batch_size, count_ranks)


def _recbole(trainer: Any, loader: Any) -> Callable[[], Mapping[str, float]]:
    def evaluate() -> Mapping[str, float]:
        metrics: Mapping[str, float] = trainer.evaluate(loader, load_best_model=False, show_progress=False)
        return metrics

    return evaluate


def _translated(state: Mapping[str, torch.Tensor], n_layers: int) -> dict[str, torch.Tensor]:
    """Weights of RecBole's SASRec under our names."""
    names = {"item_embedding.": "item_embedding.", "encoder.position_embedding.": "position_embedding."}
    names["encoder.layer_norm."] = "LayerNorm."
    joined = {}
    for i in range(n_layers):
        ours, block = f"encoder.layers.{i}.", f"trm_encoder.layer.{i}."
        attention, feed_forward = f"{block}multi_head_attention.", f"{block}feed_forward."
        joined[f"{ours}query_key_value."] = [f"{attention}{part}." for part in ("query", "key", "value")]
        names[f"{ours}attention_output."] = f"{attention}dense."
        names[f"{ours}attention_norm."] = f"{attention}LayerNorm."
        names[f"{ours}inner."] = f"{feed_forward}dense_1."
        names[f"{ours}outer."] = f"{feed_forward}dense_2."
        names[f"{ours}output_norm."] = f"{feed_forward}LayerNorm."
    kinds = ("weight", "bias")
    single = {
        our + kind: state[their + kind] for our, their in names.items() for kind in kinds if their + kind in state
    }
    several = {
        our + kind: torch.cat([state[t + kind] for t in theirs]) for our, theirs in joined.items() for kind in kinds
    }
    return single | several


def measure(runners: Sequence[Contender], repeats: int) -> list[float]:
    """Median seconds of each, measured in turns; refuses contenders with other metrics than the first."""
    seconds: list[list[float]] = [[] for _ in runners]
    expected: Mapping[str, float] = {}
    for _ in range(repeats):
        for runner, mine in zip(runners, seconds, strict=True):
            begin = time.perf_counter()
            metrics = runner.run()  # numbers on the host: a GPU has finished by then
            mine.append(time.perf_counter() - begin)
            expected = expected or metrics
            assert metrics.keys() == expected.keys(), f"{runner.name} has other metrics"
            for name, value in metrics.items():
                assert abs(value - expected[name]) <= TOLERANCE, (
                    f"{name}: {value} by {runner.name}, not {expected[name]}"
                )
    return [statistics.median(mine) for mine in seconds]


def figures(runners: Sequence[Contender], seconds: Sequence[float]) -> common.Records:
    """The record of each contender; ratios are RecBole's time with its own model over the contender's."""
    plain = {runner.batch_size: t for runner, t in zip(runners, seconds, strict=True) if runner.model != "ours"}
    return [
        {
            "name": runner.name,
            "model": runner.model,
            "eval_batch_size": runner.batch_size,
            "seconds": mine,
            "ratio_to_recbole_default": plain[RECBOLE_DEFAULT] / mine,
            "ratio_to_recbole_best": min(plain.values()) / mine,
        }
        for runner, mine in zip(runners, seconds, strict=True)
    ]


def synthetic(args: argparse.Namespace, folder: Path) -> common.Records:
    """Ranks random users among many items in this process, which does nothing else."""
    before = common.memory_mb("VmRSS")
    config = common.config_of(args, "SASRec", folder, dataset="synthetic", MAX_ITEM_LIST_LENGTH=50)
    n_items = args.synthetic + 1
    model = config.model_class(config, common.FakeDataset(n_items)).to(config["device"])
    split = evaluation_rows(_random_rows(args.users, n_items).to(config["device"]), n_items)
    begin = common.now(args.gpu)
    ranks = RankEvaluator(model, config["eval_batch_size"]).rank(split)
    seconds = common.now(args.gpu) - begin
    assert all(len(counts.rank) == args.users for counts in ranks.values())
    peak = common.peak_mb(args.gpu)
    return [
        {
            "name": OURS,
            "items": args.synthetic,
            "users": args.users,
            "seconds": seconds,
            "peak_mb": peak,
            "peak_above_imports_mb": peak - (0 if args.gpu else before),
        }
    ]


def _random_rows(n_users: int, n_items: int) -> RowSet:
    """Users with 5 to 50 random earlier items and a target."""
    generator = torch.Generator().manual_seed(0)
    length = torch.randint(5, 51, (n_users,), generator=generator)
    end = (length + 1).cumsum(0) - 1  # index of the target
    start = end - length
    items = torch.randint(1, n_items, (int(end[-1]) + 1,), generator=generator)
    return RowSet(items, start.repeat_interleave(length + 1), torch.arange(1, n_users + 1), start, end, 50)


def benchmark(args: argparse.Namespace) -> common.Records:
    """Measures, prints the table and returns the records."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if args.synthetic:
            records = synthetic(args, folder)
            common.print_table(records, SYNTHETIC_COLUMNS)
            return records
        runners = list(contenders(args, folder))
        records = figures(runners, measure(runners, args.repeats))
    common.print_table(records, COLUMNS)
    print(f"\n{args.dataset}, validation items, {torch.get_num_threads()} thread(s); all metrics agree")
    return records


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Reads the flags."""
    flags = common.parser(__doc__, "amazon-beauty")
    flags.add_argument("--repeats", type=int, default=3, help="evaluations of each (default: %(default)s)")
    flags.add_argument("--synthetic", type=int, metavar="N", help="rank among N random items instead")
    flags.add_argument("--users", type=int, default=4096, help="users of --synthetic (default: %(default)s)")
    args = flags.parse_args(argv)
    for name in ("repeats", "users"):
        if getattr(args, name) < 1:
            flags.error(f"--{name} {getattr(args, name)}: expected at least 1")
    return args


if __name__ == "__main__":
    sys.exit(common.run_script(benchmark, arguments(None)))
