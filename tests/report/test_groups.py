from __future__ import annotations

from typing import Any

import pytest

from recbole_cl.errors import UsageError
from recbole_cl.report.groups import group_runs
from recbole_cl.report.store import load_run


def grouped(*folders: Any) -> dict[str, list[tuple[str, list[int]]]]:
    groups = group_runs(map(load_run, folders))
    return {dataset: [(g.label, [run.seed for run in g.runs]) for g in of] for dataset, of in groups.items()}


def test_runs_that_differ_in_seed_and_place_only_are_one_group(make_run: Any) -> None:
    first = make_run(seed=2, settings={"temperature": 1.0, "gpu_id": "0", "worker": 0, "log_wandb": True})
    second = make_run(seed=1, settings={"temperature": 1, "gpu_id": "1", "state": "INFO", "transform": None})
    assert grouped(first, second) == {"toy": [("SASRec", [1, 2])]}


def test_settings_and_training_forms_are_told_apart_by_what_differs(make_run: Any) -> None:
    shared = {"temperature": 1.0}
    folders = [
        make_run("DuoRec", 1, settings={**shared, "contrast": "su", "label": "a"}, name="a"),
        make_run("DuoRec", 1, settings={**shared, "contrast": "us_x"}, name="b"),
        make_run("DuoRec", 2, settings={**shared, "contrast": "us_x"}, name="c"),
        make_run("SASRec", 1, settings=shared, name="d"),
        make_run("CL4SRec", 1, settings=shared, train_form="prefix", name="e"),
        make_run("CL4SRec", 1, settings=shared, train_form="sequence", name="f"),
    ]
    assert grouped(*folders)["toy"] == [
        ("DuoRec [contrast=su, label=a]", [1]),
        ("DuoRec [contrast=us_x, label=unset]", [1, 2]),
        ("SASRec", [1]),
        ("CL4SRec [train_form=prefix]", [1]),
        ("CL4SRec [train_form=sequence]", [1]),
    ]


def test_a_setting_that_an_earlier_version_had_not_is_as_its_default(make_run: Any) -> None:
    old, new = {"crop_ratio": 0.6}, {"crop_ratio": 0.6, "operators": ["crop", "mask", "reorder"], "switch_epoch": 160}
    folders = [
        make_run("CL4SRec", 1, settings=old, name="a"),
        make_run("CL4SRec", 2, settings=new, name="b"),
        make_run("CL4SRec", 1, settings=new | {"operators": ["crop", "mask"]}, name="c"),
    ]
    assert grouped(*folders)["toy"] == [
        ('CL4SRec [operators=["crop", "mask", "reorder"]]', [1, 2]),
        ('CL4SRec [operators=["crop", "mask"]]', [1]),
    ]


def test_runs_without_settings_are_not_averaged_with_runs_that_have_them(make_run: Any) -> None:
    folders = [make_run("DuoRec", 1, settings={"k": 1}, name="a"), make_run("DuoRec", 2, name="b")]
    assert grouped(*folders)["toy"] == [("DuoRec", [1]), ("DuoRec [no config.yaml]", [2])]


def test_datasets_are_kept_apart(make_run: Any) -> None:
    assert grouped(make_run(dataset="b"), make_run(dataset="a", n_users=9)) == {
        "b": [("SASRec", [1])],
        "a": [("SASRec", [1])],
    }


def test_one_seed_twice_is_refused(make_run: Any) -> None:
    with pytest.raises(UsageError, match="one experiment with one seed, 1: leave one of them out"):
        grouped(make_run(name="a"), make_run(name="b"))


def test_ranks_of_other_targets_are_not_paired(make_run: Any) -> None:
    known, other, old = make_run(seed=1, targets="a"), make_run("DuoRec", targets="b"), make_run(seed=2)
    with pytest.raises(UsageError, match="rank other users or test items"):
        grouped(known, other)
    assert grouped(known, old) == {"toy": [("SASRec", [1, 2])]}  # of a version that stored no hash


def test_other_users_are_refused(make_run: Any) -> None:
    with pytest.raises(UsageError, match=r"80 test users of toy, .* has 70: .*not comparable"):
        grouped(make_run("SASRec"), make_run("DuoRec", n_users=70))


def test_other_data_settings_are_refused_even_with_as_many_users(make_run: Any) -> None:
    one = make_run("SASRec", settings={"item_inter_num_interval": "[5,inf)"})
    other = make_run("DuoRec", settings={"item_inter_num_interval": "[3,inf)"})
    with pytest.raises(UsageError, match=r"has item_inter_num_interval: \[5,inf\).*not comparable"):
        grouped(one, other)
