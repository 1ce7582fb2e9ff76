"""Ranges: what files may hold, what is refused, and that those shipped lie within what their settings allow."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from recbole_cl.config.models import MODELS, own_models
from recbole_cl.config.papers import Among, papers_of
from recbole_cl.config.presets import props_dir
from recbole_cl.config.settings import settings_class
from recbole_cl.errors import UsageError
from recbole_cl.model.duorec import DuoRec
from recbole_cl.runs.build import build_data, build_model
from recbole_cl.search.drawing import distributions, settings_of_trial, trial_of_settings
from recbole_cl.search.files import read_ranges
from recbole_cl.search.ranges import Choice, Interval, fitted, keys_of, limits, searched, values_by_key
from recbole_cl.search.task import prepare
from recbole_cl.testing.toy import TINY, write_cycle

SHIPPED = sorted(file.stem for file in (props_dir() / "search").glob("*.yaml"))
RECIPES = sorted((props_dir() / "search" / "recipe").glob("*.yaml"))


def written(folder: Path, text: str, name: str = "ranges.yaml") -> Path:
    (file := folder / name).write_text(text, encoding="utf-8")
    return file


def test_every_method_comes_with_ranges() -> None:
    assert {*SHIPPED} == {name for name in own_models() if MODELS.path(name)}  # those that a test registers have none


@pytest.mark.parametrize("file", RECIPES, ids=lambda file: file.stem)
def test_ranges_for_the_recipe_are_allowed_under_it(file: Path, tmp_path: Path) -> None:
    own = {**TINY, **write_cycle(tmp_path)}
    del own["inner_size"]  # searched
    task = prepare(file.stem, "cycle", file, ["props/recipe/strong.yaml"], own)
    assert {"hidden_dropout_prob", "attn_dropout_prob"} <= {*searched(task.ranges)}
    ends = [
        [its.values[0], its.values[-1]] if isinstance(its, Choice) else [its.low, its.high]
        for its in task.ranges.values()
    ]
    _, (train, _, _) = build_data(task.config)
    for chosen in ([0] * len(ends), [1] * len(ends), [i % 2 for i in range(len(ends))]):
        values = [values_by_key(name, its[i]) for name, its, i in zip(task.ranges, ends, chosen, strict=True)]
        build_model(task.config_of({key: it for found in values for key, it in found.items()}), train)


@pytest.mark.parametrize("model", SHIPPED)
def test_ranges_that_come_with_a_method_are_allowed_and_are_its_papers(model: str) -> None:
    task = prepare(model, "ml-100k", None, (), {})
    assert len(task.ranges) >= 2
    for name, its in task.ranges.items():
        assert {key for key, _ in limits(name, its)} <= task.config.settings_dict().keys()
    papers = papers_of(settings_class(task.config.model_class))
    for name, its in task.ranges.items():
        for key in keys_of(name):
            if key in papers and isinstance(papers[key].what, Among):  # what its paper searches
                ends = [value for other, value in limits(name, its) if other == key]
                assert [min(ends), max(ends)] == [min(papers[key].values()), max(papers[key].values())], key


def test_yaml_holds_choices_intervals_and_choices_of_several_settings(tmp_path: Path) -> None:
    text = "temperature: {low: 0.05, high: 2, log: True}\nsupervised_weight: {low: 0, high: 1}\n"
    text += "n_heads: {low: 1, high: 2}\ncontrast: [su, us_x]\n"
    text += "hidden_dropout_prob, attn_dropout_prob: [[0.1, 0.2], [0.5, 0.5]]\n"
    ranges = fitted(read_ranges(written(tmp_path, text)), DuoRec, "ranges")
    assert ranges == {
        "temperature": Interval(0.05, 2.0, log=True),
        "supervised_weight": Interval(0.0, 1.0),  # any number between, since the setting may be any
        "n_heads": Interval(1, 2),
        "contrast": Choice(("su", "us_x")),
        "hidden_dropout_prob, attn_dropout_prob": Choice(([0.1, 0.2], [0.5, 0.5])),
    }
    assert type(ranges["supervised_weight"].low) is float and type(ranges["n_heads"].low) is int  # type: ignore[union-attr]
    assert searched(ranges)[-2:] == ["hidden_dropout_prob", "attn_dropout_prob"]
    alone: dict[str, Any] = {"temperature": 0.1, "supervised_weight": 0.25, "n_heads": 2, "contrast": "su"}
    drawn = settings_of_trial({**alone, "hidden_dropout_prob, attn_dropout_prob": "[0.1, 0.2]"}, ranges)
    assert drawn == {**alone, "hidden_dropout_prob": 0.1, "attn_dropout_prob": 0.2}


def test_steps_are_the_numbers_that_a_person_writes() -> None:
    ranges = {"temperature": Interval(0.1, 0.9, step=0.1)}
    spaces = distributions(ranges)
    values = [settings_of_trial({"temperature": 0.1 + 0.1 * i}, ranges)["temperature"] for i in range(9)]
    assert values == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9] and spaces["temperature"]._contains(0.3)


def test_recboles_files_mean_what_hyperopt_makes_of_them(tmp_path: Path) -> None:
    text = "# a comment\n\nlearning_rate loguniform -8,0\ntrain_batch_size choice [64, 128]\n"
    text += "hidden_dropout_prob uniform 0.1,0.5\nn_layers quniform 1,4,1\nattn_dropout_prob quniform 0.1, 0.5, 0.1\n"
    text += "contrast choice ['su','us_x']\n"
    ranges = read_ranges(written(tmp_path, text, "duorec.hyper"))
    assert ranges == {
        "learning_rate": Interval(math.exp(-8), 1.0, log=True),
        "train_batch_size": Choice((64, 128)),
        "hidden_dropout_prob": Interval(0.1, 0.5),
        "n_layers": Interval(1, 4, step=1),
        "attn_dropout_prob": Interval(0.1, 0.5, step=0.1),
        "contrast": Choice(("su", "us_x")),
    }
    assert prepare("DuoRec", "ml-100k", tmp_path / "duorec.hyper", (), {}).ranges == ranges
    lists = written(
        tmp_path, "mlp_hidden_size choice ['[64, 32]','[128]']\nmf_train choice ['True','False']\n", "ncf.test"
    )
    assert read_ranges(lists) == {"mlp_hidden_size": Choice(([64, 32], [128])), "mf_train": Choice((True, False))}
    assert prepare("NeuMF", "ml-100k", lists, (), {}).ranges == read_ranges(lists)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("r.yaml", "temperature: {low: 0, high: 1}", "r.yaml: temperature = 0: expected a number > 0"),
        ("r.yaml", "hidden_dropout_prob: [0.5, 1.0]", "hidden_dropout_prob = 1.0: expected a number in [0, 1)"),
        ("r.yaml", "n_layers: {low: 1, high: 2.5}", "n_layers = 1.0: expected an integer"),
        ("r.yaml", "temprature: [0.5, 1.0]", "unknown setting 'temprature'; did you mean temperature?"),
        ("r.yaml", "temperature: {low: 1, hgih: 2}", "temperature = {'low': 1, 'hgih': 2}: expected a list"),
        ("r.yaml", "temperature: {low: 2, high: 1}", "low 2, high 1: expected low < high"),
        ("r.yaml", "temperature: {low: 0, high: 1, log: True}", "log needs low > 0"),
        ("r.yaml", "temperature: {low: 0.1, high: 1, step: 2}", "expected 0 < step"),
        ("r.yaml", "temperature: 0.5", "temperature = 0.5: expected a list of choices"),
        ("r.yaml", "temperature: [0.5, 0.5]", "none twice"),
        ("r.yaml", "seed: [1, 2]", "seed can't be searched"),
        ("r.yaml", "train_on: [train, all]", "train_on can't be searched"),
        ("r.yaml", 'item_inter_num_interval: ["[0,inf)", "[20,inf)"]', "item_inter_num_interval can't be searched"),
        ("r.yaml", "rm_dup_inter: [first, last]", "rm_dup_inter can't be searched"),
        ("r.yaml", "temperature: [1, 2]\ntemperature, n_heads: [[1, 2]]", "n_heads: temperature has a range already"),
        ("r.yaml", "tau: [0.5, 1]\ntemperature: [0.1, 0.2]", "temperature has a range already, perhaps under another"),
        ("r.yaml", "n_heads, n_heads: [[1, 2]]", "n_heads has a range already"),
        (
            *("r.yaml", "lmd_sem, temperature: [[0.1, 1.0]]"),
            "supervised_weight is set, and r.yaml chooses supervised_weight, temperature together: set all of them, or",
        ),
        ("r.yaml", "min_user_inter_num: [0, 20]", "min_user_inter_num can't be searched under this older name"),
        ("r.yaml", "hidden_dropout_prob, attn_dropout_prob: [0.1, 0.2]", "each a list of 2 values"),
        ("r.yaml", "# nothing", "holds no range"),
        ("r.yaml", "supervised_weight: [0.5, 1.0]", "all settings with a range in it are set"),
        ("r.hyper", "temperature between 1,2", "r.hyper, line 1: 'temperature between 1,2' is not of the form"),
        ("r.hyper", "temperature choice __import__('os')", "expected a list of plain values"),
        ("r.hyper", "temperature,n_heads uniform 0.1,0.5", "each a list of 2 values"),
        ("r.hyper", "temperature,n_heads choice [1, 2]", "each a list of 2 values"),
        ("r.hyper", "temperature uniform 1", "expected 2 numbers"),
        ("r.hyper", "temperature uniform 1,2\ntemperature uniform 1,3", "line 2: temperature has a range already"),
        ("r.hyper", "temperature loguniform -8,900", "natural logarithms"),
        ("r.hyper", "n_layers quniform 1,4,0", "expected a third number > 0"),
        ("r.hyper", "n_layers uniform 1,4", "n_layers = 1.0: expected an integer"),
    ],
)
def test_what_is_no_range_or_leaves_a_settings_bounds_is_told(tmp_path: Path, name: str, text: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        prepare("DuoRec", "ml-100k", written(tmp_path, text, name), (), {"supervised_weight": 0.1})
    assert words in str(caught.value).replace(f"{tmp_path}/", "")


@pytest.mark.parametrize(
    "without",
    [{"train_on": "all"}, {"eval_args": {"split": {"LS": "test_only"}}}, {"eval_args": {"split": {"RS": [9, 0, 1]}}}],
)
def test_a_search_without_validation_is_refused_before_any_trial(without: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="a search compares trials by their validation; leave a part of the data for"):
        prepare("DuoRec", "ml-100k", None, (), without)


def test_what_a_trial_has_in_common_is_written_in_plain_types_and_under_todays_names(tmp_path: Path) -> None:
    file = written(tmp_path, "embedding_size: 32\ntau: 0.5\n", "given.yaml")
    settings = {"checkpoint_dir": tmp_path, "learning_rate": np.float64(0.01), "lmd": 0.2}
    task = prepare("DuoRec", "ml-100k", written(tmp_path, "hidden_size: [32, 64]"), [file], settings)
    text = yaml.safe_dump(task.written())
    assert yaml.safe_load(text) == {
        "model": "DuoRec",
        "dataset": "ml-100k",
        "checkpoint_dir": str(tmp_path),
        "hidden_size": 32,
        "learning_rate": 0.01,
        "temperature": 0.5,
        "unsupervised_weight": 0.2,
    }


@pytest.mark.parametrize(
    ("its", "on", "off"),
    [
        (Interval(0.1, 0.5, step=0.1), 0.3, 0.25),
        (Interval(2, 8, step=2), 4, 3),
        (Interval(1, 3), 3, 4),
        (Interval(0.1, 0.5), 0.25, 0.6),
    ],
)
def test_given_values_lie_on_the_steps_of_their_range(its: Interval, on: float, off: float) -> None:
    assert trial_of_settings({"x": on}, {"x": its}) == {"x": on}
    with pytest.raises(UsageError, match=f"x = {off}, which its range does not contain"):
        trial_of_settings({"x": off}, {"x": its})


def test_a_setting_that_is_given_is_not_searched(tmp_path: Path) -> None:
    dropout = {"attn_dropout_prob": 0.2, "hidden_dropout_prob": 0.2}  # chosen together
    task = prepare("DuoRec", "ml-100k", None, (), {**dropout, "tau": 0.5})  # by its older name
    assert list(task.ranges) == ["supervised_weight"]
    task = prepare("DuoRec", "ml-100k", written(tmp_path, "tau: [0.5, 1]\nlmd: [0.1, 0.2]"), (), {"temperature": 0.5})
    assert list(task.ranges) == ["unsupervised_weight"]  # ranges may have older names, too
    with pytest.raises(UsageError, match="repeat its command without resume"):
        prepare("DuoRec", "ml-100k", None, (), {"resume": "saved/x"})
    with pytest.raises(UsageError, match="GRU4Rec comes with no ranges: give a file of your own by --ranges"):
        prepare("GRU4Rec", "ml-100k", None, (), {})
