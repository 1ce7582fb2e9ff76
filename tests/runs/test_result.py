"""What a run measured, written and read back."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import recbole_cl
from recbole_cl.errors import UsageError
from recbole_cl.runs.result import RunResult, parse_result, write_result
from recbole_cl.runs.summary import summary

METRICS = {"hit@10": 0.25, "ndcg@10": 0.125}


@pytest.fixture
def result(tmp_path: Path) -> RunResult:
    return RunResult(
        model="SASRec",
        dataset="toy",
        seed=7,
        train_form="prefix",
        best_epoch=3,
        epochs_run=5,
        seconds={"data": 0.5, "train": 2, "evaluate": 0.25},
        valid=METRICS,
        test={"history_kept": METRICS, "history_removed": {"hit@10": 1, "ndcg@10": 0.5}},
        targets="abc",
        run_dir=tmp_path,
    )


def stored(result: RunResult) -> dict[str, Any]:
    write_result(result)
    values: dict[str, Any] = json.loads((result.run_dir / "result.json").read_text(encoding="utf-8"))
    return values


def parsed(values: object, run_dir: Path) -> RunResult:
    return parse_result(json.dumps(values).encode(), run_dir)


def test_it_is_read_back_as_it_was_written(result: RunResult) -> None:
    write_result(result)
    assert parse_result((result.run_dir / "result.json").read_bytes(), result.run_dir) == result
    assert recbole_cl.RunResult is RunResult


def test_runs_before_any_epoch_and_of_early_versions_are_read(result: RunResult) -> None:
    untrained = replace(result, best_epoch=-1, epochs_run=0, valid={})
    assert parsed(stored(untrained), result.run_dir) == untrained
    early = stored(result)
    del early["targets"]
    assert parsed(early, result.run_dir) == replace(result, targets=None)


def test_what_a_later_version_adds_is_left_out(result: RunResult) -> None:
    later = stored(result) | {"energy": 3, "run_dir": "elsewhere"}
    assert parsed(later, result.run_dir) == result


@pytest.mark.parametrize(
    "name",
    sorted({*RunResult.__dataclass_fields__} - {"run_dir", "targets", "parameters", "training_targets", "peak_memory"}),
)
def test_a_missing_field_is_refused_by_name(result: RunResult, name: str) -> None:
    values = stored(result)
    del values[name]
    with pytest.raises(UsageError) as error:
        parsed(values, result.run_dir)
    assert str(result.run_dir / "result.json") in str(error.value) and repr(name) in str(error.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seed", "7"),
        ("seed", True),
        ("seed", 7.5),
        ("model", None),
        ("valid", [0.5]),
        ("valid", {"hit@10": "0.5"}),
        ("seconds", {"train": None}),
        ("test", {"history_kept": 0.5, "history_removed": {}}),
        ("targets", 3),
    ],
)
def test_a_value_of_another_type_is_refused(result: RunResult, name: str, value: object) -> None:
    with pytest.raises(UsageError, match=f"{name!r}"):
        parsed(stored(result) | {name: value}, result.run_dir)


@pytest.mark.parametrize("protocol", ["history_kept", "history_removed"])
def test_both_protocols_must_be_there(result: RunResult, protocol: str) -> None:
    values = stored(result)
    del values["test"][protocol]
    with pytest.raises(UsageError, match=f"{protocol!r}"):
        parsed(values, result.run_dir)


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff\xfe\x00", b"[" * 100_000, b""])
def test_what_is_no_object_of_json_is_refused_in_one_line(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as error:
        parse_result(content, tmp_path)
    assert str(tmp_path / "result.json") in str(error.value) and "\n" not in str(error.value)
    assert "run the test again" in str(error.value)


def test_the_table_has_a_line_per_protocol(result: RunResult) -> None:
    header, _, kept, removed = result.table().splitlines()
    assert header.split() == ["SASRec,", "toy", "hit@10", "ndcg@10"]
    assert kept.split() == ["history", "kept", "0.2500", "0.1250"]
    assert removed.split() == ["history", "removed", "1.0000", "0.5000"]


def test_a_frame_holds_all_metrics_and_the_representation_is_short(result: RunResult) -> None:
    frame = result.frame()
    assert list(frame.columns) == ["model", "dataset", "seed", "split", "protocol", "hit@10", "ndcg@10"]
    assert frame["protocol"].tolist() == ["", "history_kept", "history_removed"]
    assert frame["hit@10"].tolist() == [0.25, 0.25, 1] and frame["split"].tolist() == ["valid", "test", "test"]
    assert repr(result) == f"RunResult(SASRec on toy, seed 7, '{result.run_dir}')"


def test_the_summary_of_seeds_has_mean_and_deviation(result: RunResult, tmp_path: Path) -> None:
    other = replace(result, seed=8, test={name: dict.fromkeys(METRICS, 0.5) for name in result.test})
    text = summary([result, other])
    kept, removed = (line for line in text.splitlines() if line.startswith("history"))
    assert "0.3750 ± 0.1768" in kept and "0.7500 ± 0.3536" in removed and "over the seeds 7, 8" in text
    assert summary([result]) == f"{result.table()}\nrun folder: {tmp_path}"
