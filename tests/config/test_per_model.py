"""Settings of single methods in a file that several methods share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from recbole_cl.config.config import Config
from recbole_cl.config.known import refuse_unknown_flags
from recbole_cl.config.per_model import for_model
from recbole_cl.errors import UsageError
from recbole_cl.suites.plan import Choice, plan
from recbole_cl.suites.schema import Suite

SHARED = """
n_layers: 1
per_model:
  DuoRec: {n_layers: 3, temperature: 0.2}
  GRU4Rec: {num_layers: 2}
"""


@pytest.fixture
def shared(tmp_path: Path) -> str:
    (tmp_path / "shared.yaml").write_text(SHARED)
    return str(tmp_path / "shared.yaml")


def test_a_models_own_entry_outranks_the_file_and_is_outranked_by_all_that_follows(shared: str) -> None:
    assert Config("SASRec", "ml-100k", [shared])["n_layers"] == 1
    config = Config("DuoRec", "ml-100k", [shared])
    assert (config["n_layers"], config["temperature"]) == (3, 0.2)
    assert Config("DuoRec", "ml-100k", [shared], {"n_layers": 2})["n_layers"] == 2
    assert "per_model" not in config.settings_dict()
    refuse_unknown_flags("DuoRec", [shared], {})


def test_suites_read_such_files_in_the_same_way(shared: str) -> None:
    common: dict[str, Any] = {"title": "T", "eval_history": "keep", "datasets": ["ml-100k"], "seeds": [1]}
    variants = {"SASRec": None, "D": {"model": "DuoRec"}, "one": {"model": "DuoRec", "n_layers": 2}}
    runs = plan(Suite.model_validate(common | {"config_files": [shared], "variants": variants}), Choice())
    assert [run.settings["n_layers"] for run in runs] == [1, 3, 2]


@pytest.mark.parametrize("sections", [["DuoRec"], {"DuoRec": 3}, {"DuoRec": {}, "SASRec": None}])
def test_another_form_is_refused(sections: Any) -> None:
    with pytest.raises(UsageError, match=r"mine.yaml: per_model: expected settings by model"):
        for_model({"per_model": sections}, "DuoRec", "mine.yaml")


def test_names_and_settings_that_do_not_exist_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="DuoRek"):
        for_model({"per_model": {"DuoRek": {}}}, "DuoRec", "mine.yaml")
    (tmp_path / "mine.yaml").write_text("per_model: {DuoRec: {temperatur: 0.2}}")
    with pytest.raises(UsageError, match="temperatur"):
        Config("DuoRec", "ml-100k", [str(tmp_path / "mine.yaml")])


@pytest.mark.parametrize("name", ["Mine", "mine", "my_package.my_module.Mine"])
def test_a_class_of_ones_own_has_its_entry_too(name: str) -> None:
    assert for_model({"seed": 1, "per_model": {name: {"seed": 2}}}, "Mine", "") == {"seed": 2}


def test_a_path_does_not_stop_other_models() -> None:
    assert for_model({"seed": 1, "per_model": {"my_package.my_module.Mine": {"seed": 2}}}, "DuoRec", "") == {"seed": 1}


def test_what_is_read_before_the_model_is_known_is_refused() -> None:
    with pytest.raises(UsageError, match="mine.yaml: per_model: DuoRec: data_path, resume can't be set there"):
        for_model({"per_model": {"DuoRec": {"resume": "saved/x", "data_path": "y"}}}, "SASRec", "mine.yaml")
