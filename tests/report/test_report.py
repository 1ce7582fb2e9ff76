"""A report: one page that asks for nothing from outside, and the same tables for other programs."""

from __future__ import annotations

import csv
import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from recbole_cl.cli import main
from recbole_cl.report.formats import grids_as_latex, report_as_markdown
from recbole_cl.report.groups import RunGroup, group_runs
from recbole_cl.report.material import Material
from recbole_cl.report.parts import Grid, Number, Picture, Report, Section
from recbole_cl.report.sections import users as users_section
from recbole_cl.report.sections.leaderboard import leaderboard
from recbole_cl.report.sections.origin import settings
from recbole_cl.report.sections.sweeps import sweeps
from recbole_cl.report.store import files_in, load_run
from recbole_cl.runs.build import build_config
from recbole_cl.runs.folder import CONFIG
from recbole_cl.suites.plan import plan
from recbole_cl.suites.schema import Published, read_suite
from tests.suites.conftest import WriteSuite, toy, write_suite  # noqa: F401

SECTIONS = ["Leaderboard", "Learning curves", "Groups of users", "Significance", "Cost", "Settings that differ"]
SECTIONS += ["Environment"]


class Page(HTMLParser):
    """The tags of a page, with what they ask for."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.asked: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.asked += [value or "" for name, value in attrs if name.split(":")[-1] in ("href", "src", "srcset", "data")]
        self.asked += re.findall(r"url\(([^)]*)\)", " ".join(value or "" for _, value in attrs))


def report(tmp_path: Path, *arguments: object) -> dict[str, str]:
    files = {ending: tmp_path / f"out/report.{ending}" for ending in ("html", "md", "csv", "tex")}
    assert main(["report", *map(str, arguments), "--out", *map(str, files.values())]) == 0
    return {ending: file.read_text(encoding="utf-8") for ending, file in files.items()}


def test_the_page_has_its_chapters_and_asks_for_nothing(folders: list[Path], tmp_path: Path) -> None:
    made = report(tmp_path, *folders, "--metrics", "ndcg@10", "hit@5", "--title", "A & B")
    page, text = Page(made["html"]), made["html"]
    assert re.findall(r"<h2[^>]*>([^<]*)</h2>", text) == SECTIONS and "<h1>A &amp; B</h1>" in text
    assert not {"script", "link", "img", "image", "iframe", "object", "base", "form"} & set(page.tags)
    assert page.asked and all(it.startswith("#") for it in page.asked) and "@import" not in text
    assert "default-src 'none'" in text
    assert page.tags.count("table") == made["md"].count("\n### ") == made["tex"].count(r"\toprule")
    assert "6 runs have no record of their epochs" in text and "has no settings" in text


def test_names_are_no_formulas(make_run: Any, tmp_path: Path) -> None:
    folders = [make_run(model, name=name) for model, name in (("DuoRec", "a"), ("=cmd|calc!A0", "b"))]
    cells = list(csv.reader(report(tmp_path, *folders)["csv"].splitlines()))[1:]
    texts = [text for row in cells for text in (*row[:2], *row[3:5])]
    assert "'=cmd|calc!A0" in texts and not any(text.startswith(("=", "+", "-", "@")) for text in texts)
    assert any(row[5].startswith("-") and float(row[5]) < 0 for row in cells)  # numbers stay numbers


def test_the_tables_of_all_formats_hold_the_same_figures(folders: list[Path], tmp_path: Path) -> None:
    made = report(tmp_path, *folders)
    cells = list(csv.DictReader(made["csv"].splitlines()))
    board = {(it["table"], it["name"]): float(it["value"]) for it in cells if it["column"] == "hit@10"}
    runs = [load_run(folder) for folder in folders if folder.name.startswith("SASRec")]
    for protocol in ("history_kept", "history_removed"):
        mean = sum(run.test[protocol]["hit@10"] for run in runs) / 2
        assert board[f"toy, {protocol.replace('_', ' ')}", "SASRec"] == pytest.approx(mean, abs=1e-4)
        assert all(f"{mean:.4f}"[:6] in made[form] for form in ("html", "md", "tex"))
    of_cost = {it["column"]: it["value"] for it in cells if it["section"] == "Cost" and it["name"] == "DuoRec"}
    assert of_cost["s an epoch"] == "0.4" and of_cost["parameters"] == of_cost["memory, MiB"] == ""


def test_rates_are_of_all_targets_and_all_users(make_run: Any, tmp_path: Path) -> None:
    result = json.loads((file := make_run() / "result.json").read_text())
    result |= {"training_targets": 300, "parameters": 1234, "peak_memory": 5 * 2**20}
    result["seconds"] |= {"train": 2.0, "test": 0.5}  # 5 epochs, 80 users
    file.write_text(json.dumps(result))
    cells = list(csv.DictReader(report(tmp_path, file.parent)["csv"].splitlines()))
    of_cost = {it["column"]: it["value"] for it in cells if it["section"] == "Cost"}
    found = {key: float(of_cost[key]) for key in ("targets/s", "users/s", "parameters", "memory, MiB")}
    assert found == {"targets/s": 750, "users/s": 160, "parameters": 1234, "memory, MiB": 5}


def test_a_suite_has_its_published_figures_and_its_heat_map(
    write_suite: WriteSuite,  # noqa: F811
    toy: Any,  # noqa: F811
    make_run: Any,
    tmp_path: Path,
) -> None:
    grid = {f"SRMA {k}{m}": {"model": "SRMA", "extra_layers": k, "dropped_layers": m} for k in (2, 3) for m in (0, 1)}
    figures = {"cycle": {"SASRec": {"hit@10": 0.25}, "SRMA 31": {"hit@10": 0.4}}}
    suite = write_suite(
        variants={"SASRec": None, **grid}, metrics=["hit@10"], published={"source": "X, Table 1", "figures": figures}
    )
    for number, run in enumerate(plan(read_suite(suite), toy)[:-1]):
        shutil.move(make_run(run.model, 1, "cycle", name=f"n{number}"), run.folder)
        settings = build_config(run.model, run.dataset, (), dict(run.settings)).settings_dict()
        (run.folder / CONFIG).write_text(yaml.safe_dump(settings))
    made = report(tmp_path, suite, *(f"--set={key}={value}" for key, value in toy.settings.items()))
    assert "<h1>Toys</h1>" in made["html"] and "5 runs: 1 to do, 4 done" in made["html"]
    assert "cycle, SRMA: dropped_layers and extra_layers" in made["html"] and "X, Table 1" in made["md"]
    assert re.search(r"\| SRMA 31 +\| +- +\| +- +\| +0\.4000 \|", made["md"])
    assert re.search(r"\| SASRec +\| +1 +\| +[*]*0\.\d{4}[*]* +\| +0\.2500 \([+-]\d+\.\d %\) \|", made["md"])


def material(folders: list[Path], of_suite: bool = False, **choices: Any) -> Material:
    runs = [load_run(folder) for folder in folders]
    groups: Any = {"toy": [RunGroup(run.model, run.model, (run,)) for run in runs]} if of_suite else group_runs(runs)
    return Material("T", groups, {it: files_in(it) for it in folders}, ["hit@10"], **choices)


def test_marks_stand_where_the_tests_say_so(make_run: Any) -> None:
    folders = [make_run(model, seed, n_users=2000) for model in ("SASRec", "DuoRec") for seed in (1, 2, 3)]
    folders += [make_run("GRU4Rec", 1, n_users=2000)]
    made = material(folders, published=Published(source="P", figures={"toy": {"DuoRec": {"hit@10": 0.5}}}))
    kept = next(part for part in leaderboard(made).parts if isinstance(part, Grid))
    figure = {str(row[0]): row[2] for row in kept.rows}
    assert isinstance(figure["DuoRec"], Number) and figure["DuoRec"].text.endswith(" **") and figure["DuoRec"].best
    assert isinstance(figure["SASRec"], Number) and not figure["SASRec"].text.endswith("*")
    assert [row[0] for row in kept.rows][0] == "DuoRec" and kept.header[3] == "hit@10, published"


def test_the_best_is_the_least_where_less_is_better_and_nothing_among_other_data(make_run: Any) -> None:
    lines = [make_run("SASRec", 1), make_run("DuoRec", 2)]
    for folder, value in zip(lines, (0.3, 0.2), strict=True):
        result = json.loads((folder / "result.json").read_text())
        for figures in result["test"].values():
            figures["giniindex@10"] = value
        (folder / "result.json").write_text(json.dumps(result))
    made = replace(material(lines), metrics=["giniindex@10"])
    for part in leaderboard(made).parts:
        assert isinstance(part, Grid) and [row[0] for row in part.rows] == ["DuoRec", "SASRec"]
        assert [cell.best for row in part.rows if isinstance(cell := row[2], Number)] == [True, False]
    other = material([lines[0], make_run("GRU4Rec", n_users=50)], of_suite=True)
    cells = [row[2] for part in leaderboard(other).parts if isinstance(part, Grid) for row in part.rows]
    assert not any(isinstance(cell, Number) and cell.best for cell in cells)


def test_ranking_among_sampled_items_is_marked_in_every_format(make_run: Any, tmp_path: Path) -> None:
    args = {"eval_args": {"mode": {"valid": "full", "test": "uni50"}}}
    made = report(tmp_path, make_run(settings=args), make_run("DuoRec", settings=args))
    assert "<li>ranked among sampled items (uni50)" in made["html"]
    tables = {it["table"] for it in csv.DictReader(made["csv"].splitlines()) if it["section"] == "Leaderboard"}
    assert tables == {f"toy, history {it}, among sampled items (uni50)" for it in ("kept", "removed")}
    assert made["tex"].count("among sampled items (uni50)}") == 4


def test_what_was_swept_is_drawn(make_run: Any) -> None:
    swept = [make_run("DuoRec", settings={"tau": tau, "model": "DuoRec"}, name=f"t{tau}") for tau in (0.1, 0.5, 1.0)]
    pairs = [["crop"], ["crop", "mask"], ["mask"]]
    paired = [
        make_run("CoSeRec", settings={"operators": it, "distinct_operators": len(it) > 1}, name="-".join(it))
        for it in pairs
    ]
    section = sweeps(material([*swept, *paired, make_run("SASRec", settings={"tau": 7})]))
    assert section is not None
    assert [part.title for part in section.parts] == ["toy, DuoRec: tau", "toy, CoSeRec: pairs of operators"]
    assert all(isinstance(part, Picture) and part.svg.startswith("<svg") for part in section.parts)
    assert sweeps(material(swept[:2])) is None
    both = material(swept, baseline="DuoRec").compared["toy"]  # a swept baseline is no single line
    assert not isinstance(both, str) and both[0].baseline == "DuoRec [tau=0.1]"
    (table,) = (part for part in settings(material(swept)).parts if isinstance(part, Grid))
    assert table.rows == (("tau", "0.1", "0.5", "1"),)


def test_names_do_not_shift_the_columns_of_markdown() -> None:
    page = report_as_markdown(Report("T", (Section("S", (Grid("G", ("a", "b|c"), (("x|y", "1"),)),)),)))
    assert r"b\|c" in page and r"x\|y" in page


def test_what_a_line_has_not_set_differs_from_what_another_has(make_run: Any) -> None:
    old, new = {"lr": 1, "clip_grad_norm": None}, {"lr": 1, "clip_grad_norm": {"max_norm": 1}, "ema_decay": 0.9}
    lines = [make_run("DuoRec", settings=its, name=name) for name, its in (("old", old), ("new", new))]
    (table,) = (part for part in settings(material([*lines, make_run(settings={"lr": 1})])).parts)
    assert isinstance(table, Grid) and table.rows == (
        ("clip_grad_norm", "unset", '{"max_norm": 1}', "-"),
        ("ema_decay", "0", "0.9", "-"),
    )


def test_a_heat_map_has_a_cell_for_each_line(make_run: Any) -> None:
    pairs = [["crop"], ["crop", "mask"], ["mask"]]
    several = [
        make_run("CoSeRec", settings={"operators": it, "tau": tau}, name=f"{'-'.join(it)}{tau}")
        for it in pairs
        for tau in (0.1, 0.2, 0.3)
    ]
    section = sweeps(material(several))
    assert section is not None and [part.title for part in section.parts] == ["toy, CoSeRec: tau"]
    both = [["a", "b"], ["b", "a"], ["a"]]
    turned = [make_run("DuoRec", settings={"operators": it}, name="".join(it)) for it in both]
    assert sweeps(material(turned)) is None


def test_lines_with_other_data_have_no_groups_of_users(make_run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    half = np.arange(80) < 40
    monkeypatch.setattr(users_section, "users_by", lambda run, by: [("first (40)", half), ("rest (40)", ~half)])
    alike, other = [make_run(), make_run("DuoRec")], make_run("GRU4Rec", n_users=50)
    assert len(users_section.users(material(alike)).parts) == 4
    section = users_section.users(material([*alike, other], of_suite=True))
    assert not section.parts and "they are not comparable" in section.notes[1]


def test_groups_of_users_take_the_first_metric_that_follows_from_ranks(
    make_run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(users_section, "users_by", lambda run, by: [("all (80)", np.ones(80, dtype=bool))])
    found = users_section.users(replace(material([make_run()]), metrics=["gauc", "hit@10", "ndcg@10"]))
    assert found.parts[0].title == "toy, hit@10"
    none = users_section.users(replace(material([make_run("DuoRec")]), metrics=["gauc"]))
    assert not none.parts and none.notes == (
        "None of gauc follows from ranks, so that groups of users have no values.",
    )


def test_latex_is_escaped() -> None:
    text = grids_as_latex([Grid("50 % of A_b", ("a", "b"), (("x & y", Number(1, "[1 ± 2]", True)), ("[z]", "~")))])
    assert r"\caption{50 \% of A\_b}" in text and r"x \& y & \textbf{{}[1 $\pm$ 2]} \\" in text
    assert r"{}[z] & \textasciitilde{} \\" in text and r"\begin{tabular}{lr}" in text


def test_mistakes_are_told_in_one_line(
    folders: list[Path], make_run: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refusal(*arguments: object) -> str:
        assert main(["report", *map(str, arguments)]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        return error

    assert "r.pdf: expected a name that ends in .html" in refusal(folders[0], "--out", "r.pdf")
    assert "choose from a suite: leave them out" in refusal(folders[0], "--seeds", "2")
    assert "did you mean quick" in refusal("quik")
    assert "--baseline SASRek: no such line, choose from DuoRec" in refusal(*folders, "--baseline", "SASRek")
    assert "did not record" in refusal(*folders, "--metrics", "coverage@3")
    several = [make_run("CL4SRec", settings={"tau": tau}, name=f"t{tau}") for tau in (1, 2)]
    told = refusal(*folders, *several, "--baseline", "CL4SRec")
    assert "--baseline CL4SRec: several lines on toy, choose from CL4SRec [tau=1], CL4SRec [tau=2]" in told
