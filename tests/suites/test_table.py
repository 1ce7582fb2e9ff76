"""The table of a suite while it grows: ours, how many seeds, published figures, failures."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from recbole_cl.suites.plan import Choice, PlannedRun, plan
from recbole_cl.suites.schema import Suite
from recbole_cl.suites.table import SuiteResult
from tests.report.conftest import MakeRun, make_run  # noqa: F401
from tests.suites.conftest import suite_of

FIGURES = {"cycle": {"SASRec": {"hit@10": 0.25}, "DuoRec": {"hit@10": 0.4}}}


@pytest.fixture
def suite() -> Suite:
    return suite_of(
        variants=["SASRec", "DuoRec"],
        metrics=["hit@10", "gauc"],
        settings={"metrics": ["MRR", "GAUC"]},
        published={"source": "X, Table 1", "figures": FIGURES},
    )


@pytest.fixture
def runs(suite: Suite, toy: Choice, make_run: MakeRun) -> list[PlannedRun]:  # noqa: F811
    """Both lines have their first seed, SASRec its second, and DuoRec's second has failed."""
    runs = plan(suite, toy)
    for run in runs[:3]:
        shutil.move(make_run(run.model, run.seed, "cycle"), run.folder)
    runs[3].folder.mkdir(parents=True)
    (runs[3].folder / "failed.json").write_text(json.dumps({"reason": "the loss became nan"}))
    return runs


def test_figures_stand_beside_published_ones_with_their_distance(suite: Suite, runs: list[PlannedRun]) -> None:
    result = SuiteResult(suite, runs)
    ours = [run.test["history_kept"]["hit@10"] for run in result.groups["cycle"][0].runs]
    header, _, sasrec, duorec = result.text_of("cycle").splitlines()
    assert header.split() == ["cycle", "seeds", "hit@10", "published", "gauc", "published"]
    assert sasrec.split()[:5] == ["SASRec", "2", f"{sum(ours) / 2:.4f}", "±", f"{abs(ours[0] - ours[1]) / 2**0.5:.4f}"]
    assert f"0.2500 ({100 * (sum(ours) / 2 / 0.25 - 1):+.1f} %)" in sasrec and duorec.split()[1] == "1"
    text = str(result)
    assert "4 runs: 3 done, 1 failed." in text and "Published: X, Table 1" in text
    assert "Failed: DuoRec, cycle, seed 2: the loss became nan" in text


def test_the_page_holds_significance_once_two_lines_are_there(suite: Suite, runs: list[PlannedRun]) -> None:
    assert [table.protocol for table in SuiteResult(suite, runs).tables()] == ["history_kept", "history_removed"]
    page = SuiteResult(suite, runs).markdown()
    assert page.startswith("# Toys") and "## Significance" in page and "diff.: to SASRec" in page
    assert "## Significance" not in SuiteResult(suite, runs[:1]).markdown()


def test_lines_of_other_data_are_told_not_to_be_comparable(
    suite: Suite,
    runs: list[PlannedRun],
    make_run: MakeRun,  # noqa: F811
    tmp_path: Path,
) -> None:
    other = replace(runs[1], folder=make_run("DuoRec", 7, "cycle", n_users=9, name="other"))
    assert "they are not comparable" in SuiteResult(suite, [runs[0], other]).markdown()


def test_a_swept_baseline_leaves_the_page_its_tests(suite: Suite, runs: list[PlannedRun]) -> None:
    swept = [replace(run, variant="SASRec", label=f"SASRec ({run.seed}, {run.model})") for run in runs[:3]]
    page = SuiteResult(suite.model_copy(update={"baseline": "SASRec"}), swept).markdown()
    assert "diff.: to SASRec (1, SASRec)" in page


def test_names_do_not_shift_the_columns_of_the_page(suite: Suite, runs: list[PlannedRun]) -> None:
    lines = SuiteResult(suite, [replace(runs[0], label="a | b")]).text_of("cycle", "pipe").splitlines()
    assert r"| a \| b " in lines[2] and lines[2].replace(r"\|", "").count("|") == lines[0].count("|")


def test_ranking_among_sampled_items_is_marked(suite: Suite, runs: list[PlannedRun]) -> None:
    (runs[0].folder / "config.yaml").write_text("eval_args: {mode: uni50}")
    result = SuiteResult(suite, runs[:1])
    assert result.text_of("cycle").startswith("cycle, among sampled items (uni50)")
    assert "ranked among sampled items (uni50)" in str(result)


def test_a_line_without_runs_is_there_with_what_is_published(suite: Suite, toy: Choice) -> None:
    text = SuiteResult(suite, plan(suite, toy)).text_of("cycle")
    assert text.splitlines()[3].split() == ["DuoRec", "-", "-", "0.4000", "-", "-"]
