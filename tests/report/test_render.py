"""Tables as text, Markdown and CSV."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from recbole_cl.cli import main
from recbole_cl.evaluation.significance import PairedTest
from recbole_cl.report.render import as_csv, as_markdown, as_text
from recbole_cl.report.store import load_run
from recbole_cl.report.tables import Table, compare_runs

METRICS = ["hit@10", "ndcg@5"]


def tables(folders: list[Path], comparison: str = "", test: PairedTest = "t") -> list[Table]:
    made = compare_runs([load_run(folder) for folder in folders], METRICS, test=test)
    return [replace(table, comparison=comparison) for table in made]


def test_csv_reads_back(folders: list[Path]) -> None:
    made = tables(folders)
    rows = list(csv.DictReader(as_csv(made).splitlines()))
    expected = [(table, row) for table in made for row in table.rows]
    assert len(rows) == len(expected) == 12 and "comparison" not in rows[0]
    for cells, (table, row) in zip(rows, expected, strict=True):
        assert (cells["dataset"], cells["protocol"], cells["model"]) == (table.dataset, table.protocol, row.model)
        assert cells["p"] == ("" if row.p is None else repr(row.p)) and float(cells["mean"]) == row.mean
        assert (cells["family"], cells["users"], cells["baseline"]) == ("4", "80", "SASRec")


def test_text_shows_dashes_for_one_seed_and_names_the_family(folders: list[Path]) -> None:
    text = as_text(tables(folders))
    assert "toy, history kept" in text and "toy, history removed" in text
    line = next(line.split() for line in text.splitlines() if "GRU4Rec" in line)
    assert line[:3] == ["hit@10", "GRU4Rec", "1"] and line[4] == "-" and line[-1] == "-"
    assert "corrected over the 4 comparisons with the baseline in this table" in text
    assert "paired t-test over 80 users" in text and "users and seeds together, corrected likewise over 2" in text
    one_seed = as_text(tables([folders[0], folders[-1]]))
    assert "p (both): two-sided t-test over users and seeds together; a dash" in one_seed


def test_text_fits_a_terminal_whatever_the_names(make_run: Any) -> None:
    long = {f"setting_{i}": [1, 2, 3] for i in range(9)}
    folders = [make_run("DuoRec", settings=it, name=str(n)) for n, it in enumerate(({"temperature": 0.21}, long))]
    grid = [line for line in as_text(tables(folders)).splitlines() if not line.startswith("- ")]
    assert max(map(len, grid)) <= 120 and any("setting_0=" in line for line in grid)


def test_names_do_nothing_to_terminals_and_spreadsheets(make_run: Any) -> None:
    folders = [make_run("=cmd|calc!A0", name="a"), make_run("D\x1b\u202e", name="b")]
    made = tables(folders)
    for text in (as_text(made), as_markdown(made), as_csv(made)):
        assert "\x1b" not in text and "\u202e" not in text and "D\\x1b\\u202e" in text
    assert {row["model"][0] for row in csv.DictReader(as_csv(made).splitlines())} == {"'", "D"}


def test_a_baseline_s_name_does_nothing_to_the_terminal(make_run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    folders = [make_run("\x1b[2J", name="a"), make_run("DuoRec", name="b")]
    assert main(["compare", *map(str, folders)]) == 0
    assert "\x1b" not in (told := capsys.readouterr().out) and "diff.: to \\x1b[2J" in told


def test_markdown_is_a_table_and_a_single_model_needs_no_test(make_run: Any) -> None:
    variants = [make_run("DuoRec", settings={"views": views}, name=f"v{views[0]}") for views in ("a|b", "c")]
    text = as_markdown(tables(variants, test="wilcoxon"))
    header, _, *rows = [line for line in text.splitlines() if line.startswith("|")][:6]
    assert text.startswith("### toy, history kept\n\n|") and "Wilcoxon signed-rank test" in text
    assert {line.replace("\\|", "").count("|") for line in [header, *rows]} == {12}
    assert "p (Holm): corrected" not in as_markdown(tables(variants[:1]))


@pytest.mark.parametrize(("render", "form"), [(as_text, "== {} =="), (as_markdown, "## {}")])
def test_the_tables_of_a_comparison_stand_under_one_heading(folders: list[Path], render: Any, form: str) -> None:
    plain = tables(folders)
    text = render([replace(table, comparison=name) for name in ("One", "Two {}") for table in plain])
    assert text == "\n".join(f"{form.format(name)}\n\n{render(plain)}" for name in ("One", "Two {}"))


@pytest.mark.parametrize(
    ("settings", "several"),
    [
        ({"eval_args": {"split": {"RS": [0.8, 0.1, 0.1]}}}, True),
        ({"benchmark_filename": ["train", "test"]}, True),
        ({"eval_args": {"split": {"LS": "valid_and_test"}}, "benchmark_filename": None}, False),
    ],
)
def test_users_with_several_test_rows_are_told(make_run: Any, settings: dict[str, Any], several: bool) -> None:
    text = as_text(tables([make_run(settings=settings), make_run("DuoRec", settings=settings)]))
    assert ("over 80 users (test rows: if a user has several" in text) is several


def test_csv_names_the_comparison(folders: list[Path]) -> None:
    rows = list(csv.DictReader(as_csv(tables(folders, "One") + tables(folders, "Two, or more")).splitlines()))
    assert [row["comparison"] for row in rows] == ["One"] * 12 + ["Two, or more"] * 12
