"""The worked example of docs/adding_a_method.md, put where the page says, and what pages name and link to."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from recbole_cl.batch import Batch
from recbole_cl.testing.toy import write_cycle

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "adding_a_method.md").read_text(encoding="utf-8")
EXAMPLE = {"recbole_cl/model/maskedtwin.py", "props/model/MaskedTwin.yaml"}
# In one process, for RecBole takes seconds to import: the command line first, then contract tests, picked up unedited.
DRIVER = """
import sys
import pytest
from recbole_cl.cli import train_main

tests = "MaskedTwin and (named_finite or grouping or predict or loaded)"
sys.exit(train_main(sys.argv[1:]) or pytest.main(["-q", "tests/model/test_contract.py", "-k", tests]))
"""


def first_block(language: str) -> str:
    """The page's first fenced block of a language."""
    found = re.search(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert found, f"the page has no block of {language}"
    return found[1]


def add_the_example(tree: Path) -> None:
    """Copies the source tree and adds the page's two files to the copy, and nothing else."""
    for name in ("recbole_cl", "props", "tests"):
        shutil.copytree(ROOT / name, tree / name)
    shutil.copy2(ROOT / "pyproject.toml", tree)
    (tree / "recbole_cl" / "model" / "maskedtwin.py").write_text(first_block("python"), encoding="utf-8")
    (tree / "props" / "model" / "MaskedTwin.yaml").write_text(first_block("yaml"), encoding="utf-8")


def test_the_example_trains_and_passes_the_contract_tests(tmp_path: Path) -> None:
    add_the_example(tree := tmp_path / "tree")
    folders = write_cycle(tmp_path)
    settings = {**folders, "hidden_size": 16, "inner_size": 32, "MAX_ITEM_LIST_LENGTH": 8}
    more = {"model": "MaskedTwin", "dataset": "cycle", "epochs": 1, "temperature": 0.5, "show_progress": False}
    flags = [f"--{key}={value}" for key, value in (settings | more).items()]
    environment = {**os.environ, "PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "ignore", "-c", DRIVER, *flags]
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 and re.search(r"^6 passed", done.stdout, re.MULTILINE), done.stdout + done.stderr
    (folder,) = Path(folders["checkpoint_dir"]).iterdir()
    assert (folder / "result.json").exists()
    log = (folder / "log.txt").read_text(encoding="utf-8")
    assert re.search(r"recommendation: \d+\.\d+, contrastive: \d+\.\d+, total: \d+\.\d+", log)


def test_files_and_attributes_that_the_page_names_exist() -> None:
    paths = set(re.findall(r"`((?:recbole_cl|props|tests|docs)/[\w/.-]*\w)`", PAGE)) - EXAMPLE
    assert {"recbole_cl/model/base.py", "props/model/ContrastiveRecommender.yaml"} <= paths
    assert [path for path in sorted(paths) if not (ROOT / path).exists()] == []
    attributes = set(re.findall(r"`batch\.(\w+)", PAGE))
    assert "anchors" in attributes and attributes <= {*dir(Batch), *Batch.__dataclass_fields__}


def test_pages_link_to_what_exists_and_every_page_of_results_is_listed() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "results").glob("*.md")]
    pages += [ROOT / "benchmarks" / "README.md"]
    links = {page: re.findall(r"\]\((?!https?:)([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")) for page in pages}
    assert [(page.name, to) for page in pages for to in links[page] if not (page.parent / to).exists()] == []
    listed = set(links[ROOT / "results" / "README.md"])
    assert {page.name for page in pages if page.parent.name == "results"} - listed == {"README.md"}
