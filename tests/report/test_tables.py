"""Stored runs side by side: figures, tests and baselines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from recbole_cl.errors import UsageError
from recbole_cl.evaluation.significance import crossed_test, holm, per_user_metric
from recbole_cl.report import tables as tables_module
from recbole_cl.report.render import as_text
from recbole_cl.report.store import load_run
from recbole_cl.report.tables import Row, Table, compare_runs
from tests.report.conftest import N_USERS

METRICS = ["hit@10", "ndcg@5"]


def tables(folders: list[Path], **options: Any) -> list[Table]:
    return compare_runs([load_run(folder) for folder in folders], **options)


def row(table: Table, model: str, metric: str) -> Row:
    return next(row for row in table.rows if (row.model, row.metric) == (model, metric))


def per_user(folders: list[Path], model: str, metric: str, file: str = "ranks_test.npy") -> np.ndarray[Any, Any]:
    return np.stack([per_user_metric(np.load(f / file), metric) for f in folders if f.name.startswith(model)])


@pytest.mark.parametrize("test", ["t", "wilcoxon"])
def test_figures_are_those_of_numpy_and_scipy(folders: list[Path], test: Any) -> None:
    kept, removed = tables(folders, metrics=METRICS, test=test)
    for table, file in ((kept, "ranks_test.npy"), (removed, "ranks_test_history_removed.npy")):
        a, b = per_user(folders, "DuoRec", "ndcg@5", file), per_user(folders, "SASRec", "ndcg@5", file)
        duorec = row(table, "DuoRec", "ndcg@5")
        assert table.baseline == "SASRec" and duorec.seeds == 3
        assert (duorec.mean, duorec.std) == pytest.approx((a.mean(), a.mean(axis=1).std(ddof=1)))
        assert duorec.difference == pytest.approx(a.mean() - b.mean())
        assert duorec.percent == pytest.approx(100 * (a.mean() / b.mean() - 1))
        difference = np.round(a.mean(axis=0) - b.mean(axis=0), 12)
        expected = stats.wilcoxon(difference) if test == "wilcoxon" else stats.ttest_1samp(difference, 0)
        assert duorec.p == pytest.approx(float(expected.pvalue)) and 0 < float(expected.pvalue) < 0.2
        models = [[per_user(folders, model, metric, file) for model in ("DuoRec", "SASRec")] for metric in METRICS]
        assert duorec.p_both == pytest.approx(holm([crossed_test(*pair) for pair in models])[METRICS.index("ndcg@5")])


def test_holm_family_is_all_comparisons_of_a_table(folders: list[Path]) -> None:
    for table in tables(folders, metrics=METRICS):
        compared = [row for row in table.rows if row.model != "SASRec"]
        assert table.family == len(compared) == 4
        assert [row.p_holm for row in compared] == pytest.approx(holm([row.p or 0.0 for row in compared]).tolist())
        assert all(row.p is None and row.p_holm is None for row in table.rows if row.model == "SASRec")


def test_metrics_that_ranks_do_not_give_are_taken_as_recorded_and_not_tested(folders: list[Path]) -> None:
    table = tables(folders, metrics=["GAUC", "hit@10"])[0]
    duorec = row(table, "DuoRec", "gauc")
    assert duorec.mean == pytest.approx(0.52) and duorec.std == pytest.approx(0.01)
    assert duorec.p is None and duorec.low is None
    over_seeds = crossed_test([0.51, 0.52, 0.53], [0.51, 0.52])
    others = [crossed_test(*(per_user(folders, model, "hit@10") for model in ("DuoRec", "SASRec")))]
    assert duorec.p_both == pytest.approx(holm([over_seeds, *others])[0])
    assert (table.family, table.family_of_both) == (2, 2)
    assert "together (seeds alone where users have no value of their own), corrected likewise over 2" in as_text(
        [table]
    )
    with pytest.raises(UsageError, match="did not record 'giniindex@10', only hit@10, gauc"):
        tables(folders, metrics=["giniindex@10"])


def test_a_group_of_one_user_has_figures_and_no_significance(
    folders: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = np.arange(N_USERS) == 0
    monkeypatch.setattr(tables_module, "users_by", lambda run, by: [("one (1)", one), (f"rest ({N_USERS - 1})", ~one)])
    rows = [it for it in tables(folders, by="length", metrics=METRICS)[0].rows if it.model == "DuoRec"]
    assert [it.group for it in rows] == ["one (1)"] * 2 + [f"rest ({N_USERS - 1})"] * 2
    assert [it.p is None for it in rows] == [it.p_both is None for it in rows] == [True, True, False, False]
    assert rows[0].difference is not None


def test_the_baseline_is_sasrec_or_the_first_or_the_one_named(folders: list[Path], make_run: Any) -> None:
    assert tables(folders, baseline="GRU4Rec")[0].rows[0].model == "GRU4Rec"
    assert tables([f for f in folders if not f.name.startswith("SASRec")])[0].baseline == "DuoRec"
    with pytest.raises(UsageError, match="'Pop' on toy: .*'DuoRec', 'SASRec', 'GRU4Rec'"):
        tables(folders, baseline="Pop")
    variants = [make_run("CL4SRec", settings={"tau": tau}, name=f"cl4srec-{tau}") for tau in (1, 2)]
    with pytest.raises(UsageError, match="several groups of baseline 'CL4SRec'"):
        tables(variants, baseline="CL4SRec")
    assert tables(variants, baseline="CL4SRec [tau=2]")[0].rows[1].model == "CL4SRec [tau=1]"


def test_ranks_and_result_of_different_runs_are_refused(folders: list[Path]) -> None:
    result = json.loads((folders[0] / "result.json").read_text())
    result["test"]["history_kept"]["hit@10"] += 0.01
    (folders[0] / "result.json").write_text(json.dumps(result))
    with pytest.raises(UsageError, match=r"ranks_test\.npy says hit@10"):
        tables(folders)


def test_results_may_be_rounded_to_whole_numbers(make_run: Any) -> None:
    folder = make_run(settings={"metric_decimal_place": 0})
    result = json.loads((folder / "result.json").read_text())
    for metrics in result["test"].values():
        metrics["hit@10"] = float(round(metrics["hit@10"]))
    (folder / "result.json").write_text(json.dumps(result))
    assert 0 < row(tables([folder])[0], "SASRec", "hit@10").mean < 1
