"""Growth by catalogue, length and users: the data made up, the cases asked for, one measured."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from benchmarks import growth


def test_made_up_users_fill_a_row_and_every_item_is_there(tmp_path: Path) -> None:
    growth.make_up(tmp_path, n_items=30, length=8, n_users=20, seed=1)
    table = pd.read_csv(tmp_path / growth.NAME / f"{growth.NAME}.inter", sep="\t")
    assert set(table["user_id:token"].value_counts()) == {10} and table["item_id:token"].nunique() == 30


def test_one_size_grows_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []
    monkeypatch.setattr(growth, "make_up", lambda folder, n_items, length, n_users, seed: None)

    def fresh(script: str, *flags: str) -> list[dict[str, object]]:
        given = growth.arguments(flags)
        asked.append([given.case, given.items, given.length, given.users, *given.only])
        return []

    growth.benchmark(growth.arguments(["--axes", "items", "users", "--largest", "100000"]), fresh)
    expected = [["items", size, 50, 20_000, key] for size in (10_000, 100_000) for key in growth.CONTENDERS["items"]]
    expected += [["users", 10_000, 50, size, key] for size in (20_000, 100_000) for key in growth.CONTENDERS["users"]]
    assert asked == expected


@pytest.mark.parametrize("key", ["DuoRec:prefix", "ICLRec:sequence"])
def test_a_case_is_measured_at_the_length_that_it_names(key: str, tmp_path: Path) -> None:
    growth.make_up(tmp_path, n_items=30, length=8, n_users=20, seed=1)
    sizes = ["--items", "30", "--length", "8", "--users", "20", "--batch_size", "16", "--sequence_batch_size", "8"]
    where = ["--data_path", str(tmp_path), "--steps", "1", "--case", "length", "--only", key]
    (record,) = growth.measure(growth.arguments([*where, *sizes]))
    assert (record["grows"], record["to"]) == ("length", 8) and record["peak_mb"] > 0
    batches = (160 - 20) // 16 + 1 if key == "DuoRec:prefix" else 3
    expected = record["epoch_start_seconds"] + batches * record["median_step_seconds"]
    assert record["epoch_seconds"] == pytest.approx(expected)
