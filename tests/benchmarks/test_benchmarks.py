"""What the benchmarks write, on a tiny dataset; never how fast anything is."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import _common, evaluate, gpu, memory, train
from benchmarks._work import Segment, Sizes, matmul_rate, record_segments, sizes_of, step_flops
from recbole_cl.config.config import Config
from recbole_cl.errors import UsageError
from recbole_cl.runs.build import build_data, build_loader, build_model
from recbole_cl.testing.toy import write_cycle

TRAIN_KEYS = [
    "name",
    "form",
    "median_step_seconds",
    "epoch_start_seconds",
    "targets_per_second",
    "epoch_seconds",
    "peak_mb",
    "epoch_ratio_to_recbole_sasrec",
]


@pytest.fixture
def cycle(tmp_path: Path) -> list[str]:
    """Flags that name a tiny dataset."""
    return ["--dataset", "cycle", "--data_path", write_cycle(tmp_path)["data_path"]]


def figures(script: ModuleType, argv: list[str], tmp_path: Path) -> Any:
    """Runs a script in this process and reads the figures it writes."""
    file = tmp_path / "figures.json"
    assert _common.run_script(script.benchmark, script.arguments([*argv, "--json", str(file)])) == 0
    return json.loads(file.read_text())


@pytest.mark.slow
def test_training_has_a_record_for_every_contender(
    cycle: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = torch.is_anomaly_enabled()
    sizes = ["--steps", "3", "--warmup", "1", "--turn", "2", "--batch_size", "64", "--sequence_batch_size", "32"]
    records = figures(train, [*cycle, *sizes, "--matmul_size", "32", "--no-peak"], tmp_path)
    assert all(list(record) == TRAIN_KEYS for record in records)
    named = [(record["name"], record["form"]) for record in records]
    ours = [(name, form) for form in ("prefix", "sequence") for name in ("SASRec", "CL4SRec", "DuoRec")]
    assert named == [*((name, "prefix") for name in train.RECBOLE), *ours]
    for record in records:
        assert record["peak_mb"] is None
        assert record["epoch_ratio_to_recbole_sasrec"] == records[0]["epoch_seconds"] / record["epoch_seconds"]
    targets = {round(record["targets_per_second"] * record["epoch_seconds"]) for record in records}
    assert len(targets) == 1, "both sides and both forms supervise the same targets"
    printed = capsys.readouterr().out
    assert "GFLOP/s" in printed and all(name in printed for name, _ in named)
    assert torch.is_anomaly_enabled() == before


def test_a_contender_alone_reports_the_peak_of_its_own_process(cycle: list[str], tmp_path: Path) -> None:
    sizes = ["--steps", "1", "--warmup", "0", "--matmul_size", "8"]
    (record,) = figures(train, [*cycle, *sizes, "--only", "DuoRec:sequence"], tmp_path)
    assert record["peak_mb"] > 50 and record["epoch_ratio_to_recbole_sasrec"] is None


def test_several_contenders_have_their_peaks_from_fresh_processes(cycle: list[str]) -> None:
    asked: list[tuple[str, ...]] = []

    def fresh(script: str, *arguments: str) -> list[dict[str, float]]:
        asked.append(arguments)
        assert train.arguments(arguments).only == [arguments[-1]], "the process must understand its flags"
        return [{"peak_mb": 7.0}]

    args = train.arguments([*cycle, "--batch_size", "32", "--threads", "1", "--gpu"])
    assert train.peak(args, "CL4SRec:prefix", fresh) == 7.0
    given = train.arguments(asked[0])
    same = ("dataset", "data_path", "threads", "gpu", "batch_size", "sequence_batch_size")
    assert all(getattr(given, name) == getattr(args, name) for name in same) and given.json is None


def test_a_profile_names_the_operators_that_take_longest(
    cycle: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sizes = ["--steps", "1", "--warmup", "0", "--matmul_size", "8", "--no-peak", "--profile", "2"]
    figures(train, [*cycle, *sizes, "--only", "SASRec:sequence"], tmp_path)
    printed = capsys.readouterr().out.partition("SASRec, sequence: operators with 5 % and more of the time")[2]
    assert "aten::" in printed and "calls a step" in printed


@pytest.mark.parametrize("script", [train, evaluate, memory])
def test_a_gpu_that_is_not_there_is_refused(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert _common.run_script(script.benchmark, script.arguments(["--gpu"])) == 2
    assert capsys.readouterr().err == "error: --gpu: torch sees none here; leave it out\n"


def test_turns_go_round_and_their_first_step_is_not_counted() -> None:
    taken: list[tuple[str, int]] = []

    def contender(name: str) -> train.Contender:
        def take(n: int) -> list[float]:
            taken.append((name, n))
            return [9.0] + [1.0] * (n - 1)

        return train.Contender(name, "prefix", 1, 1, take, lambda epoch: 0.0, [], Sizes(1, 1, 1, 1))

    seconds = train.interleave([contender("a"), contender("b")], steps=5, warmup=2, turn=3)
    assert taken == [("a", 2), ("b", 2), ("a", 4), ("b", 4), ("a", 3), ("b", 3)]
    assert seconds == [[1.0] * 5, [1.0] * 5]


@pytest.mark.slow
def test_evaluations_agree_and_are_compared_with_recbole(cycle: list[str], tmp_path: Path) -> None:
    records = figures(evaluate, [*cycle, "--repeats", "1"], tmp_path)
    keys = ["name", "model", "eval_batch_size", "seconds", "ratio_to_recbole_default", "ratio_to_recbole_best"]
    assert all(list(record) == keys for record in records)
    assert [record["eval_batch_size"] for record in records] == [*evaluate.RECBOLE_SWEEP] * 2 + [256]
    theirs = [record["seconds"] for record in records if record["model"] == "RecBole's"]
    for record in records:
        assert record["ratio_to_recbole_default"] == theirs[-1] / record["seconds"]
        assert record["ratio_to_recbole_best"] == min(theirs) / record["seconds"]


def test_an_evaluation_with_other_metrics_is_refused() -> None:
    runners = [evaluate.Contender("x", "ours", 1, metrics.copy) for metrics in ({"hit@5": 0.5}, {"hit@5": 0.50001})]
    with pytest.raises(AssertionError, match="hit@5"):
        evaluate.measure(runners, 1)


def test_a_made_up_catalogue_is_evaluated_alone(tmp_path: Path) -> None:
    (record,) = figures(evaluate, ["--synthetic", "300", "--users", "20"], tmp_path)
    assert list(record) == ["name", "items", "users", "seconds", "peak_mb", "peak_above_imports_mb"]
    assert (record["items"], record["users"]) == (300, 20)
    assert record["peak_mb"] > record["peak_above_imports_mb"]


@pytest.mark.parametrize("case", memory.CASES)
def test_memory_of_a_case(case: str, cycle: list[str], tmp_path: Path) -> None:
    sizes = ["--length", "8", "--batch_size", "32", "--steps", "2", "--items", "50", "--catalogue_batch_size", "4"]
    (record,) = figures(memory, [*cycle, *sizes, "--case", case], tmp_path)
    assert list(record) == ["case", "wall_seconds", "peak_mb", "peak_above_imports_mb", "what"]
    assert record["case"] == case and record["peak_mb"] > record["peak_above_imports_mb"]


def test_every_case_runs_in_a_process_of_its_own(cycle: list[str]) -> None:
    def fresh(script: str, *arguments: str) -> list[dict[str, Any]]:
        given = memory.arguments(arguments)
        assert (given.items, given.dataset) == (50, "cycle")
        numbers = dict.fromkeys(("wall_seconds", "peak_mb", "peak_above_imports_mb"), 1.0)
        return [{"case": given.case, **numbers, "what": ""}]

    records = memory.benchmark(memory.arguments([*cycle, "--items", "50"]), fresh)
    assert [record["case"] for record in records] == [*memory.CASES]


@pytest.mark.slow
def test_a_script_runs_from_anywhere_in_a_fresh_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (record,) = _common.fresh(memory.__file__, "--case", "catalogue", "--items", "50", "--catalogue_batch_size", "4")
    assert record["case"] == "catalogue" and record["peak_above_imports_mb"] > 0
    assert list(tmp_path.iterdir()) == []


def test_the_message_of_a_fresh_process_that_fails_is_passed_on(tmp_path: Path) -> None:
    script = tmp_path / "broken.py"
    script.write_text("import sys\nsys.exit('no such thing')\n")
    with pytest.raises(UsageError, match="no such thing"):
        _common.fresh(str(script))


@pytest.mark.parametrize("flags", [["--json"], ["--json", "-"]])
def test_figures_on_stdout_come_alone(flags: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    def benchmark(args: Namespace) -> list[dict[str, Any]]:
        print("a table")
        return [{"a": 1}]

    assert _common.run_script(benchmark, memory.arguments(flags)) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out) == [{"a": 1}] and "a table" in captured.err


@pytest.mark.parametrize(
    ("name", "settings", "lengths"),
    [
        ("SASRec", {"train_form": "prefix", "n_layers": 1}, 3),
        ("SASRec", {"train_form": "sequence", "n_layers": 2}, 1),
        ("DuoRec", {"train_form": "prefix", "n_layers": 1}, 3),
        ("DuoRec", {"train_form": "prefix", "n_layers": 3}, 1),
    ],
)
def test_useful_work_is_what_is_multiplied_where_nothing_is_wasted(
    name: str, settings: dict[str, Any], lengths: int, tmp_path: Path
) -> None:
    """Rows of one length, and a single position where attention is causal: all that runs is useful."""
    config = Config(
        name,
        "cycle",
        config_dict={"use_gpu": False, "MAX_ITEM_LIST_LENGTH": lengths, "recommendation_loss": "ce", "hidden_size": 16}
        | {"train_batch_size": 5, "shuffle": False, **settings, **write_cycle(tmp_path)},
    )
    train_split = build_data(config)[1][0]
    model = build_model(config, train_split)
    loader = build_loader(config, model, train_split)
    full = torch.nonzero(loader.rows.end - loader.rows.start == lengths).flatten()
    log = record_segments(model)
    batch = loader.batch(full[:5])
    if name == "DuoRec":  # its positives are of any length
        batch["hook_same_target_item_id_list"], batch["hook_same_target_item_length"] = (
            batch["item_id_list"],
            batch["item_length"],
        )
    with FlopCounterMode(display=False) as counter:
        torch.autograd.backward(torch.stack(list(model.named_losses(batch).values())).sum())
    assert step_flops(log[0], sizes_of(model, config)) == counter.get_total_flops()


@pytest.mark.parametrize("everywhere", [True, False])
def test_work_counts_no_padding_and_no_future(everywhere: bool) -> None:
    sizes = Sizes(hidden=4, inner=8, layers=2, items=10)

    def work(*lengths: int) -> float:
        segment: Segment = (torch.tensor(lengths), everywhere)
        return step_flops([segment], sizes)

    assert work(2, 5) == work(2) + work(5)
    tokens, pairs, block = 5, 15, 8 * 16 + 4 * 4 * 8
    last = tokens * block + 16 * pairs if everywhere else tokens * (64 + 16) + 64 + 4 * 4 * 8
    scores = 2 * 4 * 10 * (tokens if everywhere else 1)
    assert work(5) == 3 * (tokens * block + 16 * pairs + last + scores)


def test_views_of_recboles_model_are_noted_too(cycle: list[str], tmp_path: Path) -> None:
    args = train.arguments([*cycle, "--only", train.BASELINE, "--batch_size", "16"])
    (contender,) = train.contenders(args, tmp_path)
    contender.take(2)
    assert [[(len(lengths), everywhere) for lengths, everywhere in views] for views in contender.views] == [
        [(16, False)]
    ] * 2


def test_rates_are_positive() -> None:
    assert matmul_rate(8, repeats=1) > 0


@pytest.mark.parametrize(
    ("parse", "argv"),
    [
        (train.arguments, ["--steps", "0"]),
        (train.arguments, ["--only", "BERT"]),
        (evaluate.arguments, ["--repeats", "0"]),
        (memory.arguments, ["--items", "-1"]),
    ],
)
def test_flags_out_of_range_are_refused(parse: Callable[[list[str]], object], argv: list[str]) -> None:
    with pytest.raises(SystemExit):
        parse(argv)


def test_the_gpu_script_measures_what_it_can_and_says_what_it_left_out(
    cycle: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    some = [("SASRec", "prefix"), ("SASRec", "sequence"), ("DuoRec", "prefix"), ("DuoRec", "sequence")]
    monkeypatch.setattr(gpu.train, "OURS", {f"{name}:{form}": (name, form) for name, form in some})

    def fails() -> dict[str, Any]:
        raise RuntimeError("no tests here")

    monkeypatch.setattr(gpu, "tests", fails)
    sizes = ["--steps", "1", "--warmup", "1", "--sizes", "8", "--length", "70", "--matmul_size", "16"]
    args = gpu.arguments([*cycle, *sizes])
    records = {record["part"]: record for record in gpu.benchmark(args)}
    assert records["SASRec:prefix, 8"]["share_of_matmul_rate"] > 0
    assert records["DuoRec:prefix, 8, bfloat16"]["precision"] == "bfloat16"
    assert records["evaluation, 8"]["users"] > 0 and len(records["DuoRec, length 1000"]["step_seconds"]) == 3
    errors = {name: record["error"] for name, record in records.items() if "error" in record}
    assert errors == {"tests": "RuntimeError: no tests here"}
    torch.set_float32_matmul_precision("highest")
    args.minutes = 0.0
    assert all(record.get("left_out") for record in gpu.benchmark(args)[1:])
