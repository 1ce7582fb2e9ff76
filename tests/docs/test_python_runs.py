"""The Python blocks of the how-to pages, run as the pages have them, with small models, few users and few epochs."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import recbole

from recbole_cl import run
from recbole_cl.cli import main
from recbole_cl.testing.toy import TINY
from tests.docs.pages import ROOT, Block, blocks_of

# Not recbole_compatibility: register() changes RecBole for the whole process; tests/interop run it.
PAGES = ("own_data", "plain_recbole", "run_folder", "search", "serving", "suites", "training")
SMALL = TINY | {"epochs": 1}
RECBOLES = SMALL | {"load_col": {"inter": ["user_id", "item_id", "timestamp"]}}
WORDS = ", ".join(f"{key}={value!r}" for key, value in SMALL.items())
# What makes a block small: its own words -> others.
SMALLER = {
    "epochs=1)": f"{WORDS})",
    "saved/DuoRec-ml-100k-...": "RUN",
    '"train_neg_sample_args": None': f'"train_neg_sample_args": None, **{RECBOLES}',
    '"amazon-beauty", trials=50, seeds=[2020, 2021, 2022]': f'"movies", trials=1, seeds=[2020], {WORDS}',
    "seeds=1, epochs=3)": f'seeds=1, variants=["SASRec"], train_users_share=0.02, {WORDS})',
    'dataset="ml-100k"': 'dataset="movies"',
}
USERS = {"196", "186", *map(str, range(1, 30))}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with some users of ml-100k, and with the run and the package that the pages speak of."""
    there = tmp_path_factory.mktemp("reader")
    lines = (
        Path(recbole.__file__)
        .with_name("dataset_example")
        .joinpath("ml-100k", "ml-100k.inter")
        .read_text()
        .splitlines()
    )
    data = there / "dataset" / "movies" / "movies.inter"
    data.parent.mkdir(parents=True)
    data.write_text("\n".join(line for line in lines if line.split("\t")[0] in {*USERS, "user_id:token"}))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(there)
        run("DuoRec", "movies", **SMALL).run_dir.rename("RUN")
        assert main(["export", "RUN", "--format", "package", "--out", "shop-model"]) == 0
    return there


@pytest.mark.slow
@pytest.mark.parametrize(
    "block",
    [it for page in PAGES for it in blocks_of(ROOT / "docs" / f"{page}.md") if it.language == "python"],
    ids=str,
)
def test_a_block_runs(block: Block, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    text = block.text
    for words, smaller in SMALLER.items():
        text = text.replace(words, smaller)
    users, items = [f"u{number % 30}" for number in range(300)], [f"i{number * 7 % 40}" for number in range(300)]
    names = {"df": pd.DataFrame({"uid": users, "sku": items, "ts": range(300)})}
    exec(compile(text, str(block), "exec"), names)
