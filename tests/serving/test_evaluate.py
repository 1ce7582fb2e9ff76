"""A run measured anew."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recbole_cl import LoadedRun
from recbole_cl.cli import main
from recbole_cl.errors import UsageError
from recbole_cl.evaluation.metrics import RankCounts
from recbole_cl.report.store import load_run
from recbole_cl.report.users import user_counts, users_by
from recbole_cl.runs.folder import RANKS, RESULT
from recbole_cl.serving.evaluate import evaluate


def test_the_same_metrics_give_the_run_s_own_figures(ours: LoadedRun, run_dir: str) -> None:
    stored = json.loads((Path(run_dir) / RESULT).read_text())
    measured = evaluate(ours)
    table = measured.table().set_index("history")
    for name, setting in (("history_kept", "keep"), ("history_removed", "remove")):
        assert {key: table.loc[setting, key] for key in stored["test"][name]} == stored["test"][name]
        assert np.array_equal(measured.ranks[setting].rank.numpy(), np.load(Path(run_dir) / RANKS[name]))
    assert evaluate(ours, "valid").table().set_index("history").loc["keep", "mrr@10"] == stored["valid"]["mrr@10"]


def test_other_metrics_and_groups(ours: LoadedRun, run_dir: str, tmp_path: Path) -> None:
    files = {name: str(tmp_path / f"{name}.csv") for name in ("table", "users")}
    flags = ["--metrics", "hit", "itemcoverage", "--topk", "1", "3", "--by", "length"]
    assert main(["evaluate", run_dir, *flags, "--out", files["table"], "--per_user", files["users"]]) == 0
    table, users = pd.read_csv(files["table"]), pd.read_csv(files["users"])
    assert len(users) == 80 and set(users["user"]) == {f"u{i}" for i in range(80)}
    assert (users["length"] == [int(user[1:]) % 12 + 4 for user in users["user"]]).all()
    kept = table[table["history"] == "keep"]
    assert list(kept["length"]) == ["1-5", "6-10", "11-20"]
    for _, line in kept.iterrows():
        low, high = map(int, str(line["length"]).split("-"))
        own = users[users["length"].between(low, high)]
        assert line["users"] == len(own)
        assert line["hit@3"] == pytest.approx((own["rank_history_keep"] <= 3).mean(), abs=1e-4)
    assert kept["itemcoverage@3"].between(0, 1).all()


def test_json_lines_are_the_lines_of_the_table(run_dir: str, tmp_path: Path) -> None:
    files = [tmp_path / "table.jsonl", tmp_path / "users.jsonl"]
    assert main(["evaluate", run_dir, "--by", "length", "--out", str(files[0]), "--per_user", str(files[1])]) == 0
    table, users = ([json.loads(line) for line in file.read_text().splitlines()] for file in files)
    assert [(line["history"], line["length"]) for line in table[:3]] == [
        ("keep", "1-5"),
        ("remove", "1-5"),
        ("keep", "6-10"),
    ]
    assert type(table[0]["users"]) is int and type(table[0]["mrr@10"]) is float
    assert len(users) == 80 and type(users[0]["rank_history_keep"]) is int


def test_popularity_counts_what_training_saw(ours: LoadedRun) -> None:
    data = Path(str(ours.config["data_path"])) / "cycle.inter"
    seen = pd.read_csv(data, sep="\t").groupby("user_id:token")["item_id:token"].apply(lambda items: list(items)[:-2])
    counts = pd.Series([item for items in seen for item in items]).value_counts()
    users = evaluate(ours).per_user()
    assert list(users["popularity"]) == [counts[target] for target in users["target"]]
    assert isinstance(evaluate(ours).ranks["keep"], RankCounts)


def test_among_sampled_items_a_target_ranks_no_lower(ours: LoadedRun, caplog: pytest.LogCaptureFixture) -> None:
    among_all, sampled = evaluate(ours), evaluate(ours, topk=[3], mode="uni5")
    for setting, ranks in sampled.ranks.items():
        assert (ranks.rank <= among_all.ranks[setting].rank).all() and int(ranks.rank.max()) <= 6
    assert "not comparable" in caplog.text
    for wrong, says in (("uni", "expected full, or uni100"), ("pop20", "19 items beside the target")):
        with pytest.raises(UsageError, match=says):
            evaluate(ours, topk=[3], mode=wrong)


def test_bad_cut_offs_are_told(run_dir: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", run_dir, "--topk", "0"]) == main(["evaluate", run_dir, "--topk", "21"]) == 2
    assert "expected cut-offs from 1 to the number of items" in capsys.readouterr().err


def test_stored_runs_know_the_same_groups_of_users(ours: LoadedRun, run_dir: str) -> None:
    per_user = evaluate(ours).per_user()
    run = load_run(run_dir)
    counts = user_counts(run)
    assert counts.length.tolist() == per_user["length"].tolist()
    assert counts.popularity.tolist() == per_user["popularity"].tolist()
    groups = users_by(run, "length")
    assert [name for name, _ in groups] == ["1-5 (14)", "6-10 (35)", "11-20 (31)"]
    expected = per_user[per_user["length"].between(6, 10)]["rank_history_keep"].to_numpy()
    assert np.array_equal(run.of_users(groups[1][1]).ranks["history_kept"], expected)
    assert [name for name, _ in users_by(run, "cold")] == ["warm (80)"]
    with pytest.raises(UsageError, match="other users or items than cycle has now"):
        user_counts(replace(run, targets="other"))


def test_a_filter_that_a_run_has_unset_stays_unset(ours: LoadedRun, run_dir: str, tmp_path: Path) -> None:
    shutil.copytree(Path(str(ours.config["data_path"])), tmp_path / "cycle")
    (tmp_path / "cycle" / "cycle.yaml").write_text('user_inter_num_interval: "[9,inf)"\n')
    run = load_run(run_dir)
    unset = {"data_path": str(tmp_path), "user_inter_num_interval": None, "load_col": None, "val_interval": None}
    assert len(user_counts(replace(run, settings={**(run.settings or {}), **unset})).length) == 80


def test_compare_gives_figures_of_groups(run_dir: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", run_dir, "--by", "length", "--metrics", "hit@3", "--format", "csv"]) == 0
    lines = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert [line["group"] for line in lines[:3]] == ["1-5 (14)", "6-10 (35)", "11-20 (31)"]
    hits = np.load(Path(run_dir) / RANKS["history_kept"]) <= 3
    means = [float(line["mean"]) * int(line["group"].split("(")[1][:-1]) for line in lines[:3]]
    assert sum(means) == pytest.approx(hits.sum())
    assert main(["compare", run_dir, "--by", "length", "--metrics", "gauc"]) == 2
    assert "gauc does not follow from ranks, so that groups of users have no value" in capsys.readouterr().err
    assert main(["compare", run_dir, "--by", "length", "--split", "valid"]) == 2
    assert "runs keep no ranks of their validation" in capsys.readouterr().err
    assert main(["compare", run_dir, "--by", "popularity", "--format", "latex"]) == 0
    assert r"popularity & metric & model & seeds" in capsys.readouterr().out
