"""RecBole's entry points after ``register()``: our models by name and by class, and nothing else changed."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import recbole.utils
import torch
from recbole.config import Config as RecBoleConfig
from recbole.utils.case_study import full_sort_topk

from recbole_cl import run
from recbole_cl.config.models import model_class, recboles_model
from recbole_cl.errors import UsageError
from recbole_cl.interop import register
from recbole_cl.model.coserec import CoSeRec
from recbole_cl.model.sasrec import SASRec

# What RecBole's SASRec needs; a class of another name gets no YAML from RecBole.
SIZES = {"n_layers": 1, "n_heads": 2, "hidden_dropout_prob": 0.1, "attn_dropout_prob": 0.1, "hidden_act": "gelu"}
SIZES |= {"layer_norm_eps": 1e-12, "initializer_range": 0.02, "loss_type": "CE"}


class OwnSASRec(recboles_model("SASRec")):  # type: ignore[misc]
    """A subclass of RecBole's, under a name that RecBole does not know."""


def quick_start(name: str) -> Any:
    """A function of RecBole's module, which can't be imported as this file is: without ray."""
    return getattr(import_module("recbole.quick_start"), name)


def checkpoint_of(model: Any, script: dict[str, Any], tmp_path: Path) -> Path:
    quick_start("run_recbole")(model=model, dataset="cycle", config_dict=script | {"checkpoint_dir": str(tmp_path)})
    (checkpoint,) = tmp_path.glob("*.pth")
    return checkpoint


@pytest.mark.parametrize(
    ("model", "cls"),
    [
        ("DuoRec", "recbole_cl.model.duorec.DuoRec"),
        (SASRec, "recbole_cl.model.sasrec.SASRec"),  # RecBole alone would train its own, without a word
        ("SASRec", "recbole.model.sequential_recommender.sasrec.SASRec"),
        (OwnSASRec, f"{__name__}.OwnSASRec"),
    ],
)
def test_quick_start_trains_and_loads_the_class_that_was_asked_for(
    model: Any, cls: str, script: dict[str, Any], registered: list[str], tmp_path: Path
) -> None:
    theirs = {} if model in ("DuoRec", SASRec) else SIZES | {"train_neg_sample_args": None}
    checkpoint = checkpoint_of(model, script | theirs, tmp_path)
    config, loaded, dataset, _, _, test = quick_start("load_data_and_model")(str(checkpoint))
    assert f"{type(loaded).__module__}.{type(loaded).__name__}" == cls
    assert config["model"] == cls.rsplit(".", 1)[1]
    scores, items = full_sort_topk(dataset.token2id("user_id", ["u1", "u2"]), loaded, test, 3)
    assert scores.shape == items.shape == (2, 3) and torch.isfinite(scores).all()


def test_a_run_folder_of_ours_scores_as_in_our_own_load(
    script: dict[str, Any], registered: list[str], tmp_path: Path
) -> None:
    ours = {key: value for key, value in script.items() if key != "load_col"} | {"checkpoint_dir": str(tmp_path)}
    result = run("DuoRec", "cycle", **ours, valid_metric="MRR@10")
    _, model, _, _, _, test = quick_start("load_data_and_model")(str(result.run_dir / "best.pth"))
    hits = [int(target in row) for row, target in zip(*_best_ten(model, test), strict=True)]
    assert np.mean(hits) == pytest.approx(result.test["history_kept"]["hit@10"], abs=1e-6)


def _best_ten(model: Any, test: Any) -> tuple[list[list[int]], list[int]]:
    rows = test.dataset.inter_feat
    _, items = full_sort_topk(rows["user_id"].numpy(), model, test, 10)
    return items.tolist(), rows["item_id"].tolist()


def test_the_objective_of_hyper_tuning_takes_our_models(
    script: dict[str, Any], registered: list[str], tmp_path: Path
) -> None:
    chosen = {"model": "CL4SRec", "dataset": "cycle", "checkpoint_dir": str(tmp_path), "temperature": 0.5}
    result = quick_start("objective_function")(script | chosen)
    assert result["model"] == "CL4SRec" and 0 <= result["test_result"]["hit@10"] <= 1


@pytest.mark.skipif(not find_spec("hyperopt"), reason="hyperopt is RecBole's requirement, not ours")
def test_hyper_tuning_searches_settings_of_our_models(
    script: dict[str, Any], registered: list[str], tmp_path: Path
) -> None:
    tuning: Any = import_module("recbole.trainer").HyperTuning
    fixed = tmp_path / "fixed.yaml"
    chosen = script | {"model": "DuoRec", "dataset": "cycle", "checkpoint_dir": str(tmp_path)}
    fixed.write_text("\n".join(f"{key}: {value}" for key, value in chosen.items()))
    space = {"choice": {"temperature": [0.5, 1.0]}}
    search = tuning(quick_start("objective_function"), params_dict=space, fixed_config_file_list=[str(fixed)])
    search.run()
    assert len(search.params2result) == 2 and search.best_params["temperature"] in (0.5, 1.0)


def test_training_goes_on_from_recboles_checkpoint(
    script: dict[str, Any], registered: list[str], tmp_path: Path
) -> None:
    checkpoint = checkpoint_of("DuoRec", script, tmp_path)
    config, model, _, train, valid, _ = quick_start("load_data_and_model")(str(checkpoint))
    config["epochs"] = 2
    trainer = import_module("recbole.utils").get_trainer(config["MODEL_TYPE"], config["model"])(config, model)
    trainer.resume_checkpoint(str(checkpoint))
    trainer.fit(train, valid, verbose=False, saved=False)
    assert list(trainer.train_loss_dict) == [1]


@pytest.mark.parametrize("name", ["SASRec", "DuoRec"])
def test_a_model_of_ours_gets_targets_alone(name: str, script: dict[str, Any], registered: list[str]) -> None:
    cls = model_class(name)  # RecBole has a SASRec too
    config = RecBoleConfig(model=cls, dataset="cycle", config_dict=dict(script))
    assert config["train_neg_sample_args"]["distribution"] == "none"
    with pytest.raises(UsageError, match="train_neg_sample_args draws uniform negatives"):
        RecBoleConfig(model=cls, dataset="cycle", config_dict=script | {"train_neg_sample_args": {"sample_num": 2}})


def test_our_models_are_told_of_each_epoch_and_their_stages_refused(
    script: dict[str, Any], registered: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[int] = []
    original = CoSeRec.start_epoch

    def start_epoch(self: CoSeRec, epoch: int) -> None:
        told.append(epoch)
        original(self, epoch)

    monkeypatch.setattr(CoSeRec, "start_epoch", start_epoch)
    start = quick_start("run_recbole")
    start("CoSeRec", "cycle", config_dict=script | {"epochs": 2, "checkpoint_dir": str(tmp_path)})
    assert told[-2:] == [0, 1]
    with pytest.raises(UsageError, match="CoSeRec trains in stages with these settings; use recbole_cl.run"):
        start("CoSeRec", "cycle", config_dict=script | {"epochs": 2, "pretrain_epochs": 1})
    with pytest.raises(UsageError, match="S3Rec_MIP trains in stages with these settings"):  # and takes up no other's
        start("S3Rec_MIP", "cycle", config_dict=script | {"pretrain_epochs": 0, "pretrained": "saved/earlier"})


def test_names_of_the_authors_code_mean_todays_settings(script: dict[str, Any], registered: list[str]) -> None:
    config = RecBoleConfig(model="DuoRec", dataset="cycle", config_dict=script | {"tau": 0.3})
    assert config["temperature"] == 0.3 and config["n_layers"] == 2  # the latter from the model's YAML


def test_settings_that_recboles_trainer_lacks_are_told(
    script: dict[str, Any], registered: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    RecBoleConfig("DuoRec", "cycle", config_dict=script | {"tail_ratio": 0.1, "temperature": 0.5})
    assert not caplog.text
    RecBoleConfig("DuoRec", "cycle", config_dict=script | {"train_on": "all", "ema_decay": 0.9})
    assert "RecBole's trainer and loader lack ema_decay, train_on: use recbole_cl.run" in caplog.text


def test_a_shared_file_has_settings_of_single_methods(
    script: dict[str, Any], registered: list[str], tmp_path: Path
) -> None:
    (tmp_path / "shared.yaml").write_text("n_layers: 1\nper_model: {DuoRec: {n_layers: 3, temperature: 0.2}}")
    files, given = [str(tmp_path / "shared.yaml")], script | {"temperature": 0.4}
    config = RecBoleConfig(model="DuoRec", dataset="cycle", config_file_list=files, config_dict=given)
    assert config["n_layers"] == 3 and config["temperature"] == 0.4


@pytest.mark.skipif(bool(find_spec("ray")), reason="ray is there, so that nothing stands in for it")
def test_what_stands_in_for_ray_is_gone_again(registered: list[str]) -> None:
    assert "quick_start works without ray, whose tune.report() does nothing" in registered
    assert "ray" not in sys.modules and "recbole.quick_start" in sys.modules


def test_a_module_that_is_there_but_fails_is_as_one_that_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "half_there.py").write_text("import pkg_resources_of_old")
    monkeypatch.syspath_prepend(tmp_path)
    assert not register._imports("half_there") and not register._imports("not_there") and register._imports("json")


def test_a_second_call_changes_nothing(registered: list[str]) -> None:
    before = RecBoleConfig._get_model_and_dataset, recbole.utils.get_model, recbole.utils.utils.get_model
    assert register.register() == registered
    after = RecBoleConfig._get_model_and_dataset, recbole.utils.get_model, recbole.utils.utils.get_model
    assert after == before


def test_an_unknown_name_is_no_missing_package(registered: list[str]) -> None:
    with pytest.raises(ValueError, match=r"\[DuoRek\] is not the name of an existing model"):
        RecBoleConfig(model="DuoRek", dataset="cycle")


def test_recboles_config_works_without_the_names_that_numpy_2_has_no_more(
    registered: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("float_", "complex_", "unicode_"):
        monkeypatch.delattr(np, name, raising=False)
    assert register._mend_numpy() == "numpy 2 has the old names that RecBole uses"
    assert RecBoleConfig(model="BPR", dataset="ml-100k")["model"] == "BPR"
