"""The command: which runs it takes, and what it refuses."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from recbole_cl import cli
from recbole_cl.report.archive import find_runs, write_archive
from recbole_cl.report.render import as_csv, as_markdown, as_text
from recbole_cl.report.store import load_run
from recbole_cl.report.tables import compare_runs


def compare(*arguments: object) -> int:
    return cli.main(["compare", *map(str, arguments)])


@pytest.fixture
def refusal(capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs the command, which must refuse in one line, and gives that line."""

    def refused(*arguments: object) -> str:
        assert compare(*arguments) == 2
        printed = capsys.readouterr()
        assert printed.out == "" and printed.err.count("\n") == 1
        return printed.err

    return refused


@pytest.fixture
def page(folders: list[Path], tmp_path: Path) -> Path:
    """A page with two tables of the six runs, which are in an archive."""
    write_archive(tmp_path / "page.runs.zip", [files for folder in folders for files in find_runs(folder)])
    (tmp_path / "page.tables.yaml").write_text(
        "metrics: [hit@5]\n"
        "tables:\n"
        "- {title: All, runs: [page.runs.zip]}\n"
        "- {title: Two, runs: [page.runs.zip/GRU*, page.runs.zip/DuoRec-*], baseline: DuoRec, metrics: [mrr@7]}\n"
    )
    return tmp_path / "page"


def test_runs_under_way_are_left_out_and_named(folders: list[Path], tmp_path: Path, capsys: Any) -> None:
    under_way = tmp_path / "under-way"
    under_way.mkdir()
    assert compare(*folders) == 0
    expected = capsys.readouterr().out
    assert compare(under_way, *folders) == 0
    printed = capsys.readouterr()
    assert printed.out == expected and printed.err == f"left out: {under_way} holds no finished run\n"
    assert compare(under_way) == 2
    assert f"run did not finish: no result.json in {under_way}" in capsys.readouterr().err


def test_options_say_what_is_compared(folders: list[Path], capsys: Any) -> None:
    assert compare(*folders, "--metrics", "MRR@5", "hit@3", "--baseline", "GRU4Rec", "--test", "wilcoxon") == 0
    expected = compare_runs([load_run(folder) for folder in folders], ["mrr@5", "hit@3"], "GRU4Rec", "wilcoxon")
    assert capsys.readouterr().out == as_text(expected)
    assert compare(*folders) == 0
    assert capsys.readouterr().out == as_text(compare_runs([load_run(folder) for folder in folders]))


def test_settings_are_chosen_on_the_validation(make_run: Any, refusal: Any, capsys: Any) -> None:
    variants = [("SASRec", {}), ("DuoRec", {"temperature": 1}), ("DuoRec", {"temperature": 0.21})]
    folders = [
        make_run(model, seed, settings=settings, name=f"{i}-{seed}")
        for i, (model, settings) in enumerate(variants)
        for seed in (1, 2)
    ]
    for folder, value in zip(folders, (0.1, 0.2, 0.3, 0.5, 0.2, 0.2), strict=True):
        result = json.loads((folder / "result.json").read_text())
        (folder / "result.json").write_text(json.dumps(result | {"valid": {"hit@10": value}}))
    options = ["--split", "valid", "--metrics", "hit@10", "--label", "plain", "warm", "cold", "--format", "csv"]
    assert compare(*folders, *options) == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert [(row["split"], row["protocol"], row["model"]) for row in rows] == [
        ("valid", "history_kept", name) for name in ("plain", "warm", "cold")
    ]
    assert [float(row["mean"]) for row in rows] == pytest.approx([0.15, 0.4, 0.2])
    assert [row["p"] for row in rows] == ["", "", ""] and rows[1]["p_both"]  # ranks of validations are not stored
    assert compare(*folders, "--split", "valid", "--metrics", "hit@10", "--baseline", "duorec [temperature=1]") == 0
    assert "toy, validation, history kept" in (out := capsys.readouterr().out) and "to choose settings by" in out
    assert "expected a name for each of 'SASRec', 'DuoRec [temperature=1]', " in refusal(*folders, "--label", "a", "b")
    assert "did not record 'ndcg@10', only hit@10" in refusal(*folders, "--split", "valid")
    other = make_run("GRU4Rec", settings={"eval_history": "remove"})
    assert "eval_history differs" in refusal(other, *folders, "--split", "valid", "--metrics", "hit@10")


def test_a_setting_that_runs_may_differ_in_does_not_part_them(make_run: Any, refusal: Any, capsys: Any) -> None:
    old = make_run("DuoRec", 1, settings={"temperature": 1.0})
    new = make_run("DuoRec", 2, settings={"temperature": 1.0, "complement": "none"})
    compare(old, new, "--format", "csv")
    assert capsys.readouterr().out.count("complement=none") > 0
    compare(old, new, "--ignore", "complement", "--format", "csv")
    parted = [line["model"] for line in csv.DictReader(capsys.readouterr().out.splitlines())]
    assert set(parted) == {"DuoRec"}
    other = make_run(
        "DuoRec", 3, settings={"temperature": 1.0, "train_form": "sequence"}, train_form="sequence", name="s"
    )
    compare(old, other, "--ignore", "train_form", "--format", "csv")
    assert {line["model"] for line in csv.DictReader(capsys.readouterr().out.splitlines())} == {"DuoRec"}
    sampled = [
        make_run(settings={"eval_args": {"mode": mode}}, name=mode, seed=seed)
        for seed, mode in enumerate(("full", "uni50"))
    ]
    assert "--ignore eval_args: runs must agree in it" in refusal(*sampled, "--ignore", "eval_args")
    assert "--ignore complemnt: no run has such a setting" in refusal(old, new, "--ignore", "complemnt")


def test_tables_are_written_to_a_file(folders: list[Path], tmp_path: Path, refusal: Any, capsys: Any) -> None:
    output = tmp_path / "out" / "comparison.csv"
    assert compare(*folders, "--format", "csv", "--output", output) == 0
    assert capsys.readouterr().out == ""
    assert output.read_text() == as_csv(compare_runs([load_run(folder) for folder in folders]))
    assert str(tmp_path) in refusal(folders[0], "--output", tmp_path)


def test_archives_and_folders_give_the_same_tables(folders: list[Path], page: Path, capsys: Any) -> None:
    archive = f"{page}.runs.zip"
    compare(*sorted(folders))
    expected = capsys.readouterr().out
    for arguments in (
        [archive],
        [f"{archive}/DuoRec-*", f"{archive}/GRU4Rec-toy-1", f"{archive}/SASRec-toy-[12]"],
        [f"{archive}/[DG]*", *folders[3:5]],
    ):
        assert compare(*arguments) == 0
        assert capsys.readouterr().out == expected


def test_a_run_that_an_archive_lacks_is_refused(page: Path, refusal: Any) -> None:
    error = refusal(f"{page}.runs.zip/CL4SRec-*")
    assert f"{page}.runs.zip has no run CL4SRec-*" in error and "choose from DuoRec-toy-1, " in error


def test_a_page_gives_all_its_tables(folders: list[Path], page: Path, capsys: Any) -> None:
    runs = [load_run(folder) for folder in sorted(folders)]
    every = compare_runs(runs, ["hit@5"])
    two = compare_runs([runs[3], *runs[:3]], ["mrr@7"], "DuoRec")
    assert compare(page, "--format", "markdown") == 0
    assert capsys.readouterr().out == f"## All\n\n{as_markdown(every)}\n## Two\n\n{as_markdown(two)}"


def test_a_page_chooses_for_itself(page: Path, folders: list[Path], refusal: Any) -> None:
    for option in ("--metrics", "--baseline", "--ignore", "--test"):
        error = refusal(page, option, "t")
        assert f"{option}: {page}" in error and f"give {page}.runs.zip" in error
    error = refusal(folders[0], page)
    assert f"{page} is a page: give it alone" in error and f"{page}.runs.zip" in error


def test_what_a_page_cannot_compare_is_told_with_its_title(page: Path, refusal: Any) -> None:
    file = Path(f"{page}.tables.yaml")
    file.write_text(file.read_text().replace("baseline: DuoRec", "baseline: Pop"))
    error = refusal(page)
    assert f"{page}, 'Two': no baseline 'Pop' on toy: choose from" in error
