"""The worked example of docs/adding_a_method.md, put where the page says, and what pages name and link to."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from recbole_cl.batch import Batch
from recbole_cl.testing.toy import write_cycle
from tests.running import run_script

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "adding_a_method.md").read_text(encoding="utf-8")
# The command line, the page's script, and the contract tests.
DRIVER = """
import runpy
import sys
from recbole_cl.cli import main
from recbole_cl.testing.__main__ import main as test

status = main(["train", "--model=my_methods.maskedtwin.MaskedTwin", *sys.argv[1:]])
print(type(runpy.run_path("script.py")["trained"].model).__name__, "was loaded")
tests = "named_finite or grouping or predict or loaded"
sys.exit(status or test(["my_methods.maskedtwin.MaskedTwin", "-q", "-k", tests]))
"""


def block(language: str, holding: str = "") -> str:
    """The page's first fenced block of a language that holds a text."""
    found = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return next(it for it in found if holding in it)


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working folder, with the page's method in a package that no later test finds imported."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_methods").mkdir()
    (tmp_path / "my_methods" / "maskedtwin.py").write_text(block("python"), encoding="utf-8")
    (tmp_path / "my_methods" / "MaskedTwin.yaml").write_text(block("yaml"), encoding="utf-8")
    yield tmp_path
    for module in [name for name in sys.modules if name.split(".")[0] == "my_methods"]:
        del sys.modules[module]


def test_the_example_trains_and_passes_the_contract_tests_as_a_package_of_its_own(
    example: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    tmp_path = example
    folders = write_cycle(tmp_path / "data")
    small = {**folders, "hidden_size": 16, "inner_size": 32, "MAX_ITEM_LIST_LENGTH": 8, "show_progress": False}
    script = block("python", "run(model=MaskedTwin").replace('"ml-100k", epochs=3', f'"cycle", epochs=1, **{small}')
    (tmp_path / "script.py").write_text(script, encoding="utf-8")
    flags = [
        f"--{key}={value}" for key, value in (small | {"dataset": "cycle", "epochs": 1, "temperature": 0.5}).items()
    ]
    (tmp_path / "driver.py").write_text(DRIVER, encoding="utf-8")
    with pytest.raises(SystemExit) as caught:
        run_script(tmp_path / "driver.py", *flags)
    printed = capfd.readouterr().out
    assert caught.value.code == 0 and re.search(r"^6 passed", printed, re.MULTILINE), printed
    assert "MaskedTwin was loaded" in printed
    run_folders = list(Path(folders["checkpoint_dir"]).iterdir())
    assert len(run_folders) == 2  # by a flag, and by the class
    for folder in run_folders:
        assert (folder / "result.json").exists()
        assert "model: my_methods.maskedtwin.MaskedTwin" in (folder / "config.yaml").read_text(encoding="utf-8")
        log = (folder / "log.txt").read_text(encoding="utf-8")
        assert re.search(r"recommendation: \d+\.\d+, contrastive: \d+\.\d+, total: \d+\.\d+", log)


HOOKS = ("same_user", "same_user_twin", "losses", "reverse", "next_item", "running_mean", "metrics")
# A method with the page's two hooks of batches and a figure of each epoch, then one of ours with all its other code.
WITH_HOOKS = """
from recbole_cl import load, run

first = run(model="my_methods.same_user_twin.SameUserTwin", dataset="cycle", temperature=0.5, **SETTINGS)
assert "users 80.0000" in (first.run_dir / "log.txt").read_text()
result = run(
    model="CL4SRec",
    dataset="cycle",
    operators=["crop", "my_methods.reverse.reverse", "substitute"],
    operator_options={"my_methods.reverse.reverse": {"ratio": 0.5}, "substitute": {"ratio": 0.3}},
    correlation="my_methods.next_item.next_item",
    encoder="my_methods.running_mean.RunningMean",
    recommendation_loss="my_methods.losses.focal",
    metrics=["NDCG", "my_methods.metrics.rbp"],
    valid_metric="rbp@10",
    **SETTINGS,
)
assert 0 < result.valid["rbp@10"] < 1 and "rbp@5" in result.test["history_removed"], result
neighbour = load(result.run_dir).model
neighbour.start_epoch(0)
assert (neighbour._neighbour[1:] > 0).all()
"""


def test_the_pages_hooks_work_in_our_methods_and_in_others(example: Path) -> None:
    tmp_path = example
    for name in HOOKS:
        (tmp_path / "my_methods" / f"{name}.py").write_text(block("python", f"my_methods/{name}.py"), encoding="utf-8")
    settings = {**write_cycle(tmp_path / "data"), "hidden_size": 16, "inner_size": 32, "MAX_ITEM_LIST_LENGTH": 8}
    script = WITH_HOOKS.replace("SETTINGS", f"{settings | {'epochs': 1, 'show_progress': False}}")
    (tmp_path / "script.py").write_text(script, encoding="utf-8")
    run_script(tmp_path / "script.py")


def test_files_and_attributes_that_the_page_names_exist() -> None:
    paths = set(re.findall(r"`((?:recbole_cl|props|tests|docs)/[\w/.-]*\w)`", PAGE))
    assert {"recbole_cl/model/base.py", "props/model/ContrastiveRecommender.yaml"} <= paths
    assert [path for path in sorted(paths) if not (ROOT / path).exists()] == []
    attributes = set(re.findall(r"`batch\.(\w+)", PAGE))
    assert "anchors" in attributes and attributes <= {*dir(Batch), *Batch.__dataclass_fields__}


def test_pages_link_to_what_exists_and_every_page_of_results_is_listed() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "results").glob("*.md")]
    pages += [ROOT / "benchmarks" / "README.md"]
    links = {page: re.findall(r"\]\((?!https?:)([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")) for page in pages}
    assert [(page.name, to) for page in pages for to in links[page] if not (page.parent / to).exists()] == []
    listed = {name for page in pages if page.parent.name == "results" for name in links[page]}
    assert {page.name for page in pages if page.parent.name == "results"} - listed == set()
    tables = {page.name for page in pages if page.name.endswith(".tables.md")}
    assert {page.name for page in pages if page.parent.name == "results"} - tables - {"README.md"} <= set(
        links[ROOT / "results" / "README.md"]
    )
