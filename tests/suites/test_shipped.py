"""The suites of the package, and the page that lists them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from recbole_cl.config.models import own_models
from recbole_cl.data.dataset import ContrastiveDataset
from recbole_cl.model.base import EncoderRecommender
from recbole_cl.runs.build import build_config, build_data, build_model
from recbole_cl.suites.plan import Choice, plan
from recbole_cl.suites.schema import read_suite, shipped_suites

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "experiments.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def train(tmp_path_factory: pytest.TempPathFactory) -> ContrastiveDataset:
    """Training data with more items than the longest row of a suite."""
    folder = tmp_path_factory.mktemp("data")
    lines = [f"u{n % 60}\ti{n * 7 % 251}\t{n}" for n in range(251 * 6)]
    (folder / "random").mkdir()
    text = "\n".join(["user_id:token\titem_id:token\ttimestamp:float", *lines])
    (folder / "random" / "random.inter").write_text(text, encoding="utf-8")
    return build_data(build_config("SASRec", "random", (), {"data_path": str(folder), "use_gpu": False}))[1][0]


@pytest.mark.parametrize("path", shipped_suites(), ids=lambda path: path.stem)
def test_every_run_of_every_suite_has_settings_that_fit(path: Path, tmp_path: Path, train: ContrastiveDataset) -> None:
    suite = read_suite(path)
    runs = plan(suite, Choice(seeds=suite.seeds[:1], settings={"checkpoint_dir": str(tmp_path), "use_gpu": False}))
    labels = {(run.dataset, run.label) for run in runs}
    published = suite.published.figures if suite.published else {}
    assert {(dataset, label) for dataset, lines in published.items() for label in lines} <= labels
    for run in {run.variant: run for run in runs}.values():  # models check how their settings fit together
        config = build_config(run.model, run.dataset, (), {**run.settings, "ITEM_ID_FIELD": "item_id"})
        if issubclass(config.model_class, EncoderRecommender):
            build_model(config, train)


def test_suites_cover_every_method() -> None:
    suites = map(read_suite, shipped_suites())
    assert set(own_models()) <= {one.model or name for suite in suites for name, one in suite.variants.items()}


def test_the_page_lists_every_suite_and_names_none_that_is_not_there() -> None:
    named = set(re.findall(r"recbole-cl suite ([\w-]+)", PAGE)) - {"NAME"}
    assert named == {path.stem for path in shipped_suites()}
