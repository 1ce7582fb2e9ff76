"""What the tables of a page compare; and the pages here, whose tables are made again."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from recbole_cl import cli
from recbole_cl.errors import UsageError
from recbole_cl.report.page import Comparison, is_page, read_comparisons

RESULTS = Path(__file__).parents[2] / "results"
PAGES = sorted(RESULTS.glob("*.tables.yaml"))


def sections(text: str) -> dict[str, str]:
    """The text below each heading of the second level."""
    _, *parts = re.split(r"^## (.*)\n", text, flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


@pytest.mark.parametrize("file", PAGES, ids=lambda file: file.name.split(".")[0])
def test_the_tables_on_the_page_are_those_that_the_command_writes(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = file.name.removesuffix(".tables.yaml")
    page = (RESULTS / f"{name}.tables.md").read_text(encoding="utf-8")
    assert f"recbole-cl compare results/{name} --format markdown" in page
    assert cli.main(["compare", str(RESULTS / name), "--format", "markdown"]) == 0
    pasted = sections(page)
    for title, tables in sections(capsys.readouterr().out).items():
        assert tables.strip() in pasted[title], title


def test_every_stored_run_belongs_to_a_page() -> None:
    archives = sorted(RESULTS.glob("*.runs.zip"))
    pages = {page: page.read_text(encoding="utf-8") for page in RESULTS.glob("*.md")}
    assert archives and all(any(f"({archive.name})" in text for text in pages.values()) for archive in archives)
    assert [path for path in RESULTS.iterdir() if path.is_dir()] == []


@pytest.fixture
def page(tmp_path: Path) -> Path:
    return tmp_path / "page"


def write(page: Path, text: str) -> None:
    Path(f"{page}.tables.yaml").write_text(text, encoding="utf-8")


def test_a_table_has_what_the_page_shares_unless_it_has_its_own(page: Path) -> None:
    assert not is_page(page)
    write(
        page,
        "metrics: [mrr@5]\nignore: [a]\ntables:\n- {title: One, runs: [p.zip/x-*, ../saved/y]}\n"
        "- {title: Two, runs: [p.zip], baseline: SASRec, metrics: [hit@1], ignore: [b, c], test: wilcoxon}\n",
    )
    here = page.parent
    assert is_page(page) and read_comparisons(page) == [
        Comparison([here / "p.zip/x-*", here / "../saved/y"], "One", metrics=["mrr@5"], ignore=["a"]),
        Comparison([here / "p.zip"], "Two", "SASRec", ["hit@1"], ["b", "c"], "wilcoxon"),
    ]


def test_what_is_left_out_is_the_commands_default(page: Path) -> None:
    write(page, "tables: [{title: One, runs: [p.zip]}]")
    assert read_comparisons(page) == [Comparison([page.parent / "p.zip"], "One")]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("metrics: [hit@1]", ["tables = None", "list of tables"]),
        ("tables: {title: One}", ["tables = ", "list of tables"]),
        ("tables: [One]", ["'One'", "title and runs"]),
        ("tables: [{runs: [a]}]", ["title = None", "expected text"]),
        ("tables: [{title: One}]", ["runs = None", "list of text"]),
        ("tables: [{title: One, runs: a}]", ["runs = 'a'", "list of text"]),
        ("tables: [{title: One, runs: []}]", ["runs = []", "list of text"]),
        ("tables: [{title: One, runs: [a], metrics: [5]}]", ["metrics = [5]", "list of text"]),
        ("tables: [{title: One, runs: [a], baseline: 5}]", ["baseline = 5", "expected text"]),
        ("tables: [{title: One, runs: [a], test: z}]", ["test = 'z'", "t, wilcoxon"]),
        ("tables: [{title: One, runs: [a], metric: [b]}]", ["metric = ['b']", "choose from", "metrics"]),
        ("basline: a\ntables: [{title: One, runs: [a]}]", ["basline = 'a'", "choose from", "baseline"]),
        ("tables: [{title: One, runs: [a]}, {title: One, runs: [b]}]", ["title = 'One'", "twice"]),
        ("tables: !!python/object/apply:os.getcwd []", ["not valid YAML"]),
    ],
)
def test_mistakes_are_refused_by_file_key_and_value(page: Path, text: str, words: list[str]) -> None:
    write(page, text)
    with pytest.raises(UsageError) as error:
        read_comparisons(page)
    assert [word for word in [f"{page}.tables.yaml", *words] if word not in str(error.value)] == []
    assert "\n" not in str(error.value)
