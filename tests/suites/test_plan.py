"""Which runs a suite has, in which order, with which settings and in which folders."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from recbole_cl.errors import UsageError
from recbole_cl.runs.build import build_config
from recbole_cl.suites.plan import Choice, plan, refuse_missing_data
from tests.suites.conftest import suite_of


def test_all_lines_have_their_first_seed_before_any_has_its_second(toy: Choice) -> None:
    runs = plan(suite_of(variants=["SASRec", "CL4SRec"]), toy)
    assert [(run.label, run.seed) for run in runs] == [("SASRec", 1), ("CL4SRec", 1), ("SASRec", 2), ("CL4SRec", 2)]
    assert len({run.folder for run in runs}) == 4 and not any(run.folder.exists() for run in runs)
    assert [run.seed for run in plan(suite_of(), replace(toy, seeds=3))] == [1, 2, 3]


def test_settings_outrank_one_another_in_the_order_that_is_promised(toy: Choice, tmp_path: Path) -> None:
    (tmp_path / "weak.yaml").write_text("{epochs: 9, n_layers: 9, n_heads: 9, temperature: 9, stopping_step: 9}")
    (tmp_path / "own.yaml").write_text("{temperature: 5, stopping_step: 5}")
    suite = suite_of(
        config_files=[str(tmp_path / "weak.yaml")],
        settings={"n_layers": 1, "n_heads": 8, "temperature": 8},
        datasets={"cycle": {"n_heads": 4, "temperature": 7}},
        variants={
            "CL4SRec": {
                "config_files": [str(tmp_path / "own.yaml")],
                "stopping_step": 3,
                "sweeps": {"temperature": [0.5, 0.7]},
            }
        },
    )
    first, second, *_ = plan(suite, toy)
    chosen = ("epochs", "n_layers", "n_heads", "stopping_step", "temperature", "eval_history", "seed")
    assert [first.settings[key] for key in chosen] == [2, 1, 4, 3, 0.5, "keep", 1]
    assert (first.label, second.label) == ("CL4SRec (temperature=0.5)", "CL4SRec (temperature=0.7)")


def test_settings_swept_together_have_one_value_and_others_take_turns(toy: Choice) -> None:
    sweeps = {"hidden_dropout_prob, attn_dropout_prob": [0.1, 0.2], "n_layers": [1]}
    runs = plan(suite_of(variants={"SASRec": {"sweeps": sweeps}}), replace(toy, seeds=[1]))
    points = [{key: run.settings.get(key) for key in ("hidden_dropout_prob", "attn_dropout_prob")} for run in runs]
    assert [set(point.values()) for point in points] == [{0.1}, {0.2}, {None}] and runs[2].settings["n_layers"] == 1


def test_a_run_takes_of_the_suites_settings_those_that_its_model_knows(toy: Choice) -> None:
    suite = suite_of(variants=["SASRec", "GRU4Rec"], settings={"n_heads": 1, "dropout_prob": 0.1})
    ours, recboles = plan(suite, replace(toy, seeds=[1]))
    assert "n_heads" in ours.settings and "n_heads" not in recboles.settings
    assert "dropout_prob" in recboles.settings and "dropout_prob" not in ours.settings


def test_settings_of_variants_that_were_not_chosen_are_known(toy: Choice) -> None:
    every = {key: value for key, value in toy.settings.items() if key != "inner_size"}  # GRU4Rec has none
    chosen = Choice(seeds=[1], variants=["GRU4Rec"], settings=every)
    (run,) = plan(suite_of(variants=["SASRec", "GRU4Rec"], settings={"n_heads": 1}), chosen)
    assert "n_heads" not in run.settings
    with pytest.raises(UsageError, match="'n_heads' is a setting of"):
        plan(suite_of(variants=["SASRec", "GRU4Rec"]), replace(chosen, settings={**every, "n_heads": 1}))
    with pytest.raises(UsageError, match="n_haeds"):
        plan(suite_of(variants=["SASRec", "GRU4Rec"], settings={"n_haeds": 1}), chosen)


def test_all_mistakes_in_models_and_settings_are_told_together(toy: Choice) -> None:
    suite = suite_of(
        variants={"SASRek": {}, "CL4SRec": {"temperatur": 1.0}, "DuoRec": {"temperature": -1.0}, "SASRec": {}},
        settings={"n_layrs": 1},
    )
    with pytest.raises(UsageError) as error:
        plan(suite, toy)
    for words in ("SASRek", "temperatur'", "temperature = -1.0", "n_layrs"):
        assert words in str(error.value)


def test_a_run_that_is_stored_is_known_by_its_settings_whatever_its_folder_is_called(toy: Choice) -> None:
    (run,) = plan(suite_of(seeds=[1]), toy)
    own = Path(toy.settings["checkpoint_dir"]) / "by-hand"
    own.mkdir(parents=True)
    stored = build_config(run.model, run.dataset, (), {**run.settings, "eval_batch_size": 7}).settings_dict()
    (own / "config.yaml").write_text(yaml.safe_dump(stored))
    assert plan(suite_of(seeds=[1]), toy)[0].folder == own  # how it was evaluated is no other experiment
    assert plan(suite_of(seeds=[2]), toy)[0].folder != own
    assert plan(suite_of(seeds=[1], settings={"n_layers": 1}), toy)[0].folder != own


def test_a_run_that_was_resumed_under_other_settings_is_not_the_suites_any_more(toy: Choice) -> None:
    """Its folder keeps the name that it had got from its settings."""
    (run,) = plan(suite_of(seeds=[1]), toy)
    run.folder.mkdir(parents=True)
    longer = build_config(run.model, run.dataset, (), {**run.settings, "epochs": 99}).settings_dict()
    (run.folder / "config.yaml").write_text(yaml.safe_dump(longer))
    assert plan(suite_of(seeds=[1]), toy)[0].folder == run.folder.with_name(f"{run.folder.name}-2")
    assert plan(suite_of(seeds=[1]), replace(toy, settings={**toy.settings, "epochs": 99}))[0].folder == run.folder


def test_what_is_chosen_must_be_there_and_so_must_the_data(toy: Choice, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="variants = DuoRec: the suite has SASRec"):
        plan(suite_of(), Choice(variants=["DuoRec"]))
    with pytest.raises(UsageError, match=r"seeds \[7, 7\]: a seed is given twice"):
        plan(suite_of(), Choice(seeds=[7, 7]))
    elsewhere = suite_of(datasets=["cycle", "other"], variants={"SASRec": {"datasets": ["other"]}})
    with pytest.raises(UsageError, match="SASRec: not run on cycle in this suite"):
        plan(elsewhere, Choice(datasets=["cycle"]))
    runs = plan(suite_of(datasets=["cycle", "cycel", "no-such"]), toy)
    with pytest.raises(UsageError) as error:
        refuse_missing_data(runs)
    assert "'cycel'" in str(error.value) and "'no-such'" in str(error.value)
    assert "leave them out: --datasets cycle" in str(error.value)
    refuse_missing_data([run for run in runs if run.dataset == "cycle"])


def test_older_names_mean_what_they_mean_to_a_single_run(toy: Choice) -> None:
    suite = suite_of(variants=["SASRec", "CL4SRec"], settings={"tau": 0.9})
    plain, ours = plan(suite, replace(toy, seeds=[1]))
    assert ours.settings["temperature"] == 0.9 and not {"tau", "temperature"} & plain.settings.keys()
    (ours,) = plan(suite, replace(toy, seeds=[1], variants=["CL4SRec"], settings={**toy.settings, "temperature": 0.5}))
    assert ours.settings["temperature"] == 0.5


@pytest.mark.parametrize(
    ("given", "chosen", "told"),
    [
        ({"settings": {"seed": 7}}, {}, "seed is no setting of a suite's runs: choose it by seeds"),
        ({"variants": {"SASRec": {"sweeps": {"seed": [4, 5]}}}}, {}, "seed is no setting of a suite's runs"),
        ({}, {"model": "DuoRec"}, "model is no setting of a suite's runs: choose it by variants"),
        ({}, {"eval_history": "remove"}, "eval_history belongs at the top of the suite's file"),
        ({"variants": {"SASRec": {"sweeps": {"n_heads": [1, 1]}}}}, {}, r"SASRec \(n_heads=1\): two lines have this"),
        ({"variants": {"CL4SRec": {"sweeps": {"temperature": [1, 2]}}}}, {"tau": 3}, "temperature: CL4SRec sweeps it"),
        ({"metrics": ["ndgc@10"]}, {}, "SASRec: metrics = ndgc@10: runs measure hit@5, .*; add it to settings.metrics"),
        ({"settings": {"eval_args": {"split": {"LS": "valid_only"}}}}, {}, "SASRec: no part of the data is left for"),
    ],
)
def test_settings_that_would_change_nothing_or_belie_the_table_are_refused(
    toy: Choice, given: dict[str, Any], chosen: dict[str, Any], told: str
) -> None:
    with pytest.raises(UsageError, match=told):
        plan(suite_of(**given), replace(toy, settings={**toy.settings, **chosen}))


def test_columns_are_what_runs_measure_or_what_follows_from_ranks(toy: Choice) -> None:
    settings = {"metrics": ["MRR", "GAUC", "ItemCoverage"]}
    suite = suite_of(metrics=["GAUC", "MRR@3", "ItemCoverage@5"], settings=settings)
    assert suite.metrics == ["gauc", "mrr@3", "itemcoverage@5"] and plan(suite, toy)
