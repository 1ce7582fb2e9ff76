"""Where presets are found, and how YAML is read."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import pytest

from recbole_cl.config import presets as props_files
from recbole_cl.config.config import Config
from recbole_cl.config.models import model_class, recboles_model
from recbole_cl.config.presets import (
    experiment_preset,
    merge_settings,
    model_defaults,
    model_presets,
    parse_yaml,
    props_dir,
    read_settings,
)
from recbole_cl.errors import UsageError


@pytest.mark.parametrize(
    ("text", "value"),
    [("1e-3", 0.001), ("-1E5", -1e5), (".5", 0.5), ("3", 3), ("[5,10]", [5, 10]), ("~", None), ("null", None)]
    + [("True", True), ("a-1", "a-1"), ("1.2.3", "1.2.3"), ("{LS: a}", {"LS": "a"}), ("'1'", "1"), ("e5", "e5")],
)
def test_yaml_knows_numbers_as_recbole_does(text: str, value: object) -> None:
    parsed = parse_yaml(text)
    assert parsed == value
    assert type(parsed) is type(value)


def test_presets_are_found_in_an_installed_package_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(props_files, "__file__", str(tmp_path / "recbole_cl" / "config" / "presets.py"))
    with pytest.raises(UsageError, match="has no presets: install the package again"):
        props_dir()
    for folder in (tmp_path / "props", tmp_path / "recbole_cl" / "props"):
        folder.mkdir(parents=True)
    (tmp_path / "props" / "overall.yaml").write_text("seed: 1")
    assert props_dir() == tmp_path / "props"
    (tmp_path / "recbole_cl" / "props" / "overall.yaml").write_text("seed: 1")
    assert props_dir() == tmp_path / "recbole_cl" / "props"


def test_a_preset_is_found_from_any_folder_but_a_file_of_that_name_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    name = "props/experiment/SRMA-amazon-sports-outdoors-paper.yaml"
    assert read_settings(name)["complement"] == "gru"
    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / name).write_text("complement: none")
    assert read_settings(name) == {"complement": "none"}
    with pytest.raises(UsageError, match="^props/gone.yaml: cannot be read"):
        read_settings("props/gone.yaml")


def test_a_model_gets_the_files_of_its_bases_first() -> None:
    names = [path.name for path in model_presets(model_class("DuoRec"))]
    assert names == ["EncoderRecommender.yaml", "ContrastiveRecommender.yaml", "DuoRec.yaml"]
    defaults = model_defaults(model_class("DuoRec"))
    assert {
        **read_settings(props_dir() / "overall.yaml"),
        **read_settings(props_dir() / "model/DuoRec.yaml"),
    }.items() <= (defaults.items())
    assert model_presets(recboles_model("SASRec")) == []  # RecBole reads its own


def test_general_models_stop_early_by_the_ranking_that_recbole_looks_at() -> None:
    """With the history kept, BPR on ml-100k stops after 3 epochs instead of 15, at NDCG@10 of .049 instead of .064."""
    told = [Config(name, "ml-100k")["eval_history"] for name in ("BPR", "LightGCN", "GRU4Rec", "SASRec")]
    assert told == ["remove", "remove", "keep", "keep"]
    assert Config("BPR", "ml-100k", config_dict={"eval_history": "keep"})["eval_history"] == "keep"


def test_an_outside_class_of_one_of_our_names_does_not_get_our_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    twin = type("DuoRec", (model_class("SASRec"),), {"__module__": "not_a_file"})
    assert "DuoRec.yaml" not in {path.name for path in model_presets(twin)}
    assert experiment_preset(twin, "toy") == tmp_path / "props" / "experiment" / "DuoRec-toy.yaml"
    assert experiment_preset(model_class("DuoRec"), "toy").parent == props_dir() / "experiment"
    own = tmp_path / "props" / "model" / "DuoRec.yaml"
    own.parent.mkdir(parents=True)
    own.write_text("n_layers: 1")
    assert model_presets(twin)[-1] == own and model_defaults(twin)["n_layers"] == 1


def test_entries_of_eval_args_are_merged_and_nothing_is_shared() -> None:
    stronger = {"eval_args": {"mode": "full"}, "topk": [5]}
    merged = merge_settings({"eval_args": {"order": "TO"}, "seed": 1}, stronger)
    assert merged == {"eval_args": {"order": "TO", "mode": "full"}, "seed": 1, "topk": [5]}
    merged["topk"].append(10)
    assert stronger["topk"] == [5]


def test_columns_that_are_named_anew_are_loaded_in_place_of_the_ones_before() -> None:
    weaker = {
        "USER_ID_FIELD": "user_id",
        "TIME_FIELD": "timestamp",
        "load_col": {"inter": ["user_id", "timestamp", "x"]},
    }
    merged = merge_settings(deepcopy(weaker), {"USER_ID_FIELD": "session_id", "TIME_FIELD": "time"})
    assert merged["load_col"] == {"inter": ["session_id", "time", "x"]}
    named = {"USER_ID_FIELD": "session_id", "load_col": {"inter": ["session_id"]}}
    assert merge_settings(deepcopy(weaker), named)["load_col"] == {"inter": ["session_id"]}
    assert merge_settings(weaker | {"load_col": None}, {"USER_ID_FIELD": "a"})["load_col"] is None
