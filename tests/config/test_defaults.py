"""Where a command runs unlike RecBole's, it says so; and a switch takes RecBole's defaults."""

from __future__ import annotations

from typing import Any

import pytest
from recbole.config import Config as RecBoleConfig

from recbole_cl.config.config import Config


def test_the_same_command_as_recboles_tells_the_difference() -> None:
    said = Config("GRU4Rec", "ml-100k").unlike_recbole()
    assert said.startswith("unlike RecBole's defaults (in brackets): ")
    assert "train_batch_size = 256 (2048)" in said and "item_inter_num_interval = '[5,inf)' (none)" in said
    assert "--recbole_defaults=True" in said and "data_path" not in said
    assert (
        "train_batch_size" not in Config("GRU4Rec", "ml-100k", config_dict={"train_batch_size": 256}).unlike_recbole()
    )
    assert Config("DuoRec", "ml-100k").unlike_recbole() == ""  # RecBole has no such command


def test_the_switch_takes_what_recbole_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["script.py"])
    ours = Config("GRU4Rec", "ml-100k", config_dict={"recbole_defaults": True})
    theirs = RecBoleConfig("GRU4Rec", "ml-100k", config_dict={"train_neg_sample_args": None})
    keys = set(theirs.final_config_dict) - {"gpu_id", "data_path", "load_col", "metric_decimal_place", "metrics"}
    assert {key: ours[key] for key in keys} == {key: theirs[key] for key in keys}
    assert ours.unlike_recbole() == "" and ours["eval_history"] == "keep"


@pytest.mark.parametrize(("model", "key"), [("BPR", "eval_args"), ("DIN", "valid_metric")])
def test_the_switch_leaves_what_is_refused_here_and_tells(model: str, key: str) -> None:
    """RecBole splits at random for general models, and measures DIN by labels."""
    config = Config(model, "ml-100k", config_dict={"recbole_defaults": True})
    assert config["train_batch_size"] == 2048 and config["eval_args"]["order"] == "TO"
    assert config.unlike_recbole().startswith(f"unlike RecBole's defaults (in brackets): {key} = ")
    assert config.unlike_recbole().count(" = ") == 1 and "--recbole_defaults" not in config.unlike_recbole()


def test_an_order_that_is_left_out_is_told_where_recbole_would_shuffle() -> None:
    shares = {"split": {"RS": [0.8, 0.1, 0.1]}}
    said = Config("BPR", "ml-100k", config_dict={"eval_args": shares}).unlike_recbole()
    assert "'order': 'TO'" in said and "'order': 'RO'" in said
    by_time = Config("BPR", "ml-100k", config_dict={"eval_args": shares | {"order": "TO"}})
    assert "eval_args" not in by_time.unlike_recbole()


@pytest.mark.parametrize("given", [{}, {"epochs": 7, "train_batch_size": 64}])
def test_what_is_set_outranks_the_switch(given: dict[str, Any]) -> None:
    ours = Config("SASRec", "ml-100k", config_dict={"recbole_defaults": True} | given)
    assert ours["train_batch_size"] == given.get("train_batch_size", 2048)
    assert ours["epochs"] == given.get("epochs", 300) and ours["encoder"] == "transformer"
