"""Splits other than leave-one-out: their parts by RecBole's facts, and nothing of a test in what is trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from recbole.data.dataset import SequentialDataset

from recbole_cl import load, run
from recbole_cl.config.config import Config
from recbole_cl.data.dataset import ROW_END, ContrastiveDataset
from recbole_cl.data.rows import rows_of, sequence_rows
from recbole_cl.data.same_target import SameTarget
from recbole_cl.errors import UsageError
from recbole_cl.recboles.data import interactions_of, taught
from recbole_cl.report.store import load_run
from recbole_cl.runs.build import build_data
from recbole_cl.runs.evaluation_rows import build_evaluation_rows
from recbole_cl.serving.loaded import UNTIL
from recbole_cl.testing.toy import N_USERS, TINY, write_cycle
from tests.trainer.parts import config_of

SPLITS: list[dict[str, Any]] = [
    {"split": {"RS": [0.6, 0.2, 0.2]}},
    {"split": {"RS": [8, 1, 1]}, "group_by": "none"},
    {"split": {"RS": [0.8, 0, 0.2]}},
    {"split": {"LS": "valid_only"}},
    {"split": {"LS": "test_only"}},
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("splits")
    write_cycle(where)
    return where


def parts_by(folder: Path, **settings: Any) -> tuple[Config, tuple[ContrastiveDataset, ...]]:
    config = config_of(folder, "SASRec", **settings)
    return config, build_data(config)[1]


@pytest.mark.parametrize("args", SPLITS, ids=str)
def test_parts_are_recboles_row_for_row(args: dict[str, Any], folder: Path) -> None:
    config, parts = parts_by(folder, eval_args=args)
    for ours, theirs in zip(parts, SequentialDataset(config).build(), strict=True):
        assert len(ours) == len(theirs)
        a, b = ours[torch.arange(len(ours))].interaction, theirs[torch.arange(len(theirs))].interaction
        assert a.keys() == b.keys() and all(torch.equal(a[field], b[field]) for field in a if len(ours))


def places_read(part: ContrastiveDataset) -> set[int]:
    """Flat places of all that a part's rows read or have as targets."""
    rows = rows_of(part)
    return {
        place
        for first, end in zip(rows.start.tolist(), rows.end.tolist(), strict=True)
        for place in range(first, end + 1)
    }


@pytest.mark.parametrize("args", SPLITS, ids=str)
def test_what_is_trained_on_holds_no_target_of_a_test(args: dict[str, Any], folder: Path) -> None:
    _, (train, valid, test) = parts_by(folder, eval_args=args)
    hidden = {*valid.inter_feat[ROW_END].tolist(), *test.inter_feat[ROW_END].tolist()}
    whole, rows = sequence_rows(rows_of(train)), rows_of(train)
    assert hidden and not hidden & places_read(train)
    assert not hidden & {
        p for f, e in zip(whole.start.tolist(), whole.end.tolist(), strict=True) for p in range(f, e + 1)
    }
    assert not hidden & set(taught(train).tolist())
    for field in ("user_id", "item_id"):
        assert torch.equal(interactions_of(train).inter_feat[field], train.flat[field][taught(train)])
    drawn = SameTarget(rows).draw(torch.arange(len(rows)), torch.Generator().manual_seed(0))
    of_training = {tuple(row) for row in train[torch.arange(len(train))]["item_id_list"].tolist()}
    assert {tuple(row) for row in drawn.item_seq.tolist()} <= of_training


def test_several_targets_of_a_user_are_ranked_one_by_one(folder: Path) -> None:
    given = TINY | {"data_path": str(folder), "checkpoint_dir": str(folder / "saved"), "epochs": 1}
    result = run("SASRec", "cycle", **given, eval_args={"split": {"RS": [0.5, 0.25, 0.25]}})
    test = load(result.run_dir).splits[2]
    stored = load_run(result.run_dir)
    assert len(test) > N_USERS - 10 and len({*test.inter_feat["user_id"].tolist()}) < len(test)
    assert all(len(ranks) == len(test) for ranks in stored.ranks.values())
    general = run(
        "BPR",
        "cycle",
        **{k: v for k, v in given.items() if not k.endswith("_size")},
        eval_args={"split": {"RS": [0.5, 0.25, 0.25]}},
    )
    assert general.targets == result.targets


@pytest.mark.parametrize(("more", "valid", "test"), [
    ({"train_on": "all"}, False, False),
    ({"eval_args": {"split": {"LS": "test_only"}}}, False, True),
    ({"eval_args": {"split": {"LS": "valid_only"}}}, True, False),
])  # fmt: skip
def test_a_run_may_have_no_validation_and_no_test(more: dict[str, Any], valid: bool, test: bool, folder: Path) -> None:
    given = TINY | {"data_path": str(folder), "checkpoint_dir": str(folder / "saved"), "epochs": 2}
    result = run("SASRec", "cycle", **given, **more)
    assert (bool(result.valid), bool(result.test)) == (valid, test)
    assert result.epochs_run == 2 and (valid or result.best_epoch == 1) and result.table()
    if not test:
        with pytest.raises(UsageError, match="was not tested"):
            load_run(result.run_dir)
    loaded = load(result.run_dir)
    if "train_on" in more:
        assert len(loaded.splits[0]) == len(loaded.dataset.flat) - N_USERS
    assert len(loaded.recommend(["u1"], 3)) == 3


LINES: dict[str, list[tuple[str, ...]]] = {"train": [("a", "1"), ("a", "2"), ("a", "3"), ("b", "2"), ("b", "3")],
         "valid": [("a", "4"), ("b", "4")], "test": [("b", "1"), ("a", "5")]}  # fmt: skip


def write_files(folder: Path, header: str, lines: dict[str, list[tuple[str, ...]]], **settings: Any) -> Config:
    (folder / "shop").mkdir(exist_ok=True)
    for part, its in lines.items():
        text = "\n".join([header, *("\t".join(line) for line in its)])
        (folder / "shop" / f"shop.{part}.inter").write_text(text + "\n")
    more = {"data_path": str(folder), "benchmark_filename": [*lines], "topk": [1], "valid_metric": "MRR@1"}
    return Config("SASRec", "shop", config_dict=TINY | more | {"checkpoint_dir": str(folder / "saved")} | settings)


def rows_told(part: ContrastiveDataset) -> list[tuple[str, list[str], str]]:
    """User, items and target of each row, by their tokens."""
    rows = rows_of(part)
    name = part.field2id_token["item_id"]
    return [
        (
            str(part.field2id_token["user_id"][u]),
            [str(name[i]) for i in rows.items[s:e].tolist()],
            str(name[rows.items[e]]),
        )
        for u, s, e in zip(rows.user.tolist(), rows.start.tolist(), rows.end.tolist(), strict=True)
    ]


def test_files_that_come_split_stay_so(tmp_path: Path) -> None:
    config = write_files(tmp_path, "user_id:token\titem_id:token", LINES)
    train, valid, test = build_data(config)[1]
    assert rows_told(train) == [("a", ["1"], "2"), ("a", ["1", "2"], "3"), ("b", ["2"], "3")]
    assert rows_told(valid) == [("a", ["1", "2", "3"], "4"), ("b", ["2", "3"], "4")]
    assert rows_told(test) == [("a", ["1", "2", "3", "4"], "5"), ("b", ["2", "3", "4"], "1")]
    assert interactions_of(train).inter_num == 5


def test_lines_of_a_file_follow_each_other_in_exact_time(tmp_path: Path) -> None:
    """RecBole's float32 has steps of 128 seconds today."""
    times = {"1": 1_400_000_030, "2": 1_400_000_010, "3": 1_400_000_020, "4": 1_400_000_000}
    lines: dict[str, list[tuple[str, ...]]] = {
        "train": [("a", item, str(time)) for item, time in times.items()],
        "valid": [("a", "5", "1400000050")],
        "test": [("a", "6", "1400000040")],
    }
    config = write_files(tmp_path, "user_id:token\titem_id:token\ttimestamp:float", lines)
    test = build_data(config)[1][2]
    assert rows_told(test) == [("a", ["4", "2", "3", "1", "5"], "6")]


def test_a_missing_time_is_refused_in_files_that_come_split_too(tmp_path: Path) -> None:
    lines: dict[str, list[tuple[str, ...]]] = {
        "train": [("a", "1", "1"), ("a", "2", ""), ("a", "3", "9")],
        "valid": [("a", "4", "10")],
        "test": [("a", "5", "11")],
    }
    config = write_files(tmp_path, "user_id:token\titem_id:token\ttimestamp:float", lines)
    with pytest.raises(UsageError, match="shop.train.inter, line 3: no value in 'timestamp'"):
        build_data(config)


def test_rows_that_name_their_items(tmp_path: Path) -> None:
    """The form of UniSRec, CORE and others: a list of items and its target in each line."""
    lines: dict[str, list[tuple[str, ...]]] = {
        "train": [("a", "1", "2"), ("a", "1 2", "3"), ("b", "2", "3")],
        "valid": [("a", "1 2 3", "4"), ("b", "2 3", "4")],
        "test": [("a", "1 2 3 4", "5"), ("b", "2 3 4", "1"), ("b", "", "1")],
    }
    config = write_files(tmp_path, "user_id:token\titem_id_list:token_seq\titem_id:token", lines)
    dataset, (train, valid, test) = build_data(config)
    for part, its in zip((train, valid, test), lines.values(), strict=True):
        assert rows_told(part) == [(user, items.split(), target) for user, items, target in its if items]
        batch = part[torch.arange(len(part))]
        assert batch["item_id_list"].shape == (len(part), TINY["MAX_ITEM_LIST_LENGTH"])
    assert dataset.item_num == 6 and interactions_of(train).inter_num == 5  # each once, though rows overlap
    hidden = build_evaluation_rows(config, test, "test")
    assert sorted(hidden.removed.tolist()) == [3, 4]
    given = TINY | {key: config[key] for key in ("benchmark_filename", "topk", "checkpoint_dir")} | {"epochs": 1}
    for name in ("CL4SRec", "recbole:SASRec"):
        result = run(name, "shop", **given, data_path=str(tmp_path), valid_metric="MRR@1")
        assert np.load(result.run_dir / "ranks_test.npy").shape == (2,)
    loaded = load(result.run_dir)
    for until, told in zip(UNTIL, (["123", "23"], ["1234", "234"], ["12345", "2341"]), strict=True):
        found = loaded.histories(None, until)
        items = zip(found.first.tolist(), found.end.tolist(), strict=True)
        assert ["".join(loaded.items.tokens[i] for i in found.items[a:b].tolist()) for a, b in items] == told
    with pytest.raises(UsageError, match="train_form = sequence: these data come as prefixes"):
        run("SASRec", "shop", **given, data_path=str(tmp_path), valid_metric="MRR@1", train_form="sequence")


@pytest.mark.parametrize("lists", [False, True])
def test_items_that_no_file_has_are_no_candidates(lists: bool, tmp_path: Path) -> None:
    """Those of further files never are; those of the .item file only if only_seen_items does not leave them out."""
    header = "user_id:token\titem_id_list:token_seq\titem_id:token" if lists else "user_id:token\titem_id:token"
    rows: dict[str, list[tuple[str, ...]]] = {"train": [("a", "9 1", "2")], "valid": [("a", "1 2", "3")]}
    rows |= {"test": [("a", "1 2 3", "4")]}
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "shop.item").write_text("item_id:token\n" + "".join(f"{item}\n" for item in range(15)))
    vectors = "".join(f"{item}\t0.5 1\n" for item in range(30))
    (tmp_path / "shop" / "shop.vec").write_text(f"vec_id:token\tvec:float_seq\n{vectors}")
    vec: dict[str, Any] = {"additional_feat_suffix": "vec", "alias_of_item_id": ["vec_id"]}
    vec |= {"preload_weight": {"vec_id": "vec"}, "load_col": {"inter": "*", "vec": "*"}}
    item: dict[str, Any] = {"load_col": {"inter": "*", "item": "*"}}
    for settings, items in ((vec, 5), (item, 15), (item | {"only_seen_items": True}, 5)):
        dataset, _ = build_data(write_files(tmp_path, header, rows if lists else LINES, **settings))
        assert dataset.item_num == items + 1


def test_a_missing_file_and_a_wrong_split_are_told(tmp_path: Path, folder: Path) -> None:
    config = write_files(tmp_path, "user_id:token\titem_id:token", LINES)
    (tmp_path / "shop" / "shop.valid.inter").unlink()
    with pytest.raises(UsageError, match=r"benchmark_filename = .*there is no .*shop\.valid\.inter"):
        build_data(config)
    for args, words in (
        ({"split": {"RS": [0.8, 0.2]}}, "eval_args.split.RS"),
        ({"split": {"RS": [0, 1, 1]}}, "the first share, that of training, is 0"),
        ({"split": {"RS": [8, 1, 1]}, "order": "RO"}, "eval_args.order = 'RO'"),
        ({"split": {"RS": [8, 1, 1], "LS": "test_only"}}, "expected LS: valid_and_test, or RS"),
    ):
        with pytest.raises(UsageError, match=words):
            config_of(folder, eval_args=args)
