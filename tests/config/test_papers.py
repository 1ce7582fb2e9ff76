"""What papers say of settings: each value is one that the setting may have, and each stands once."""

from __future__ import annotations

import re
from typing import Any

import pytest

from recbole_cl.config.common import CommonSettings
from recbole_cl.config.messages import refuse_bad
from recbole_cl.config.models import model_class, own_models
from recbole_cl.config.papers import Among, ByDataset, Said, papers_of, said
from recbole_cl.config.presets import comments_of, model_defaults, props_dir, read_settings
from recbole_cl.config.settings import settings_class


@pytest.mark.parametrize("model", own_models())
def test_what_papers_say_is_of_settings_and_may_be_set(model: str) -> None:
    own = settings_class(model_class(model))
    papers = papers_of(own)
    assert papers and papers.keys() <= own.model_fields.keys() | CommonSettings.model_fields.keys()
    for key, it in papers.items():
        assert it.where and it.values(), key
        for value in it.values():
            refuse_bad(own if key in own.model_fields else CommonSettings, {key: value})


def test_no_method_shows_sasrecs_values_or_other_ratios_than_its_own() -> None:
    for model in own_models():
        papers = papers_of(settings_class(model_class(model)))
        assert any(it.where.startswith("SASRec") for it in papers.values()) == (model == "SASRec"), model
    shown = papers_of(settings_class(model_class("MCLRec")))
    assert [shown[f"{name}_ratio"].what for name in ("crop", "mask", "reorder")] == [0.5, 0.5, 0.8]


def test_comments_of_files_do_not_say_it_again() -> None:
    for path in (props_dir() / "model").glob("*.yaml"):
        for key, comment in comments_of(path).items():
            assert not re.search(r"[Pp]aper(?:'s)?:|\{[\d., ]+\}", comment), (path.name, key)


def test_the_files_that_are_as_a_paper_hold_what_it_says() -> None:
    """But for what the file explains: Table 4 and section 3.4.2 of ECL-SR have one layer, its section 4.1.4 two."""
    papers = papers_of(settings_class(model_class("ECLSR")))
    for dataset, name in {"Sports": "amazon-sports-outdoors", "Toys": "amazon-toys-games", "ML_1M": "ml-1m"}.items():
        held = model_defaults(model_class("ECLSR")) | read_settings(
            props_dir() / "experiment" / f"ECLSR-{name}-paper.yaml"
        )
        for key, it in papers.items():
            values: Any = dict(it.what.values) if isinstance(it.what, ByDataset) else {dataset: it.what}
            if it.where.startswith("ECL-SR") and key != "n_layers":
                assert held[key] == values[dataset], (name, key)


def test_a_class_outranks_its_bases() -> None:
    class Base:
        papers = said("Base, section 1", temperature=1.0, weight=Among(1, 2, best=2))

    class Child(Base):
        papers = said("Child, Table 2", temperature=ByDataset(ML_1M=0.5, Yelp=1.0))

    assert {key: str(it) for key, it in papers_of(Child).items()} == {
        "temperature": "0.5 for ML-1M, 1.0 for Yelp (Child, Table 2)",
        "weight": "2 is best, searched in {1, 2} (Base, section 1)",
    }
    assert str(Said("add", "SRMA, section 4.3")) == "add (SRMA, section 4.3)"
