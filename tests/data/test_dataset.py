"""The dataset against RecBole's own, row for row, on ml-100k."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from recbole.data.dataset import SequentialDataset

from recbole_cl.batch import ANCHOR_LENGTH, ANCHOR_ROW, NEXT_PREFIX, TARGET_PLACE
from recbole_cl.config.config import Config
from recbole_cl.data.dataset import ROW_END, ContrastiveDataset
from recbole_cl.data.loader import LoaderSettings, TrainLoader
from recbole_cl.data.rows import rows_of
from recbole_cl.data.same_target import SameTarget
from recbole_cl.runs.build import build_data

LENGTH = 20


@pytest.fixture(scope="module")
def config() -> Config:
    return Config("DuoRec", "ml-100k", config_dict={"MAX_ITEM_LIST_LENGTH": LENGTH, "use_gpu": False})


@pytest.fixture(scope="module")
def ours(config: Config) -> list[ContrastiveDataset]:
    splits: list[ContrastiveDataset] = ContrastiveDataset(config).build()
    return splits


class InExactOrder(SequentialDataset):
    """RecBole's own code, its interactions sorted before their times are rounded."""

    inter_feat: Any

    def _remap_ID_all(self) -> None:
        super()._remap_ID_all()
        self.inter_feat = self.inter_feat.sort_values("timestamp", kind="stable", ignore_index=True)


@pytest.fixture(scope="module")
def theirs(config: Config) -> Iterator[list[Any]]:
    yield InExactOrder(config).build()


def loader(train: ContrastiveDataset, form: str, same_target: bool = True, anchors: int = 2) -> TrainLoader:
    hooks = {"same_target": SameTarget} if same_target else {}
    return TrainLoader(train, LoaderSettings(form, 256, True, hooks, anchors, "per_row", 3, torch.device("cpu")))


@pytest.mark.parametrize("split", [0, 1, 2])
def test_instances_are_recboles_row_for_row(ours: list[ContrastiveDataset], theirs: list[Any], split: int) -> None:
    assert len(ours[split]) == len(theirs[split])
    index = torch.arange(len(ours[split]))
    a, b = ours[split][index].interaction, theirs[split][index].interaction
    assert a.keys() == b.keys()
    for field in a:
        assert a[field].dtype == b[field].dtype, field
        assert torch.equal(a[field], b[field]), field


def tables(folder: Path) -> Config:
    """The settings of a small dataset with every type of column."""
    header = "user_id:token\titem_id:token\ttags:token_seq\tsteps:float_seq\trating:float\ttimestamp:float\n"
    rows = [
        f"u{k % 3}\ti{k % 5}\t{'a b'[: k % 4]}\t{' 1 2.5'[: k % 7]}\t{k if k % 4 else ''}\t{k}\n" for k in range(30)
    ]
    (folder / "shop").mkdir()
    (folder / "shop" / "shop.inter").write_text(header + "".join(rows))
    settings = {"data_path": str(folder), "load_col": None, "user_inter_num_interval": None, "use_gpu": False}
    return Config("SASRec", "shop", config_dict=settings | {"item_inter_num_interval": None})


def test_columns_of_every_type_are_recboles(tmp_path: Path) -> None:
    config = tables(tmp_path)
    a, b = ContrastiveDataset(config), SequentialDataset(config)
    assert (a.field2type, a.field2source, a.field2seqlen) == (b.field2type, b.field2source, b.field2seqlen)
    assert a.field2bucketnum == b.field2bucketnum
    assert {field: list(tokens) for field, tokens in a.field2id_token.items()} == {
        field: list(tokens) for field, tokens in b.field2id_token.items()
    }
    assert list(a.inter_feat) == list(b.inter_feat)
    for field in a.inter_feat:
        for mine, his in zip(a.inter_feat[field], b.inter_feat[field], strict=True):
            np.testing.assert_array_equal(mine, his)
            assert np.asarray(mine).dtype == np.asarray(his).dtype, field


def test_a_sound_file_is_parsed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engines, read_csv = [], pd.read_csv

    def counted(*args: Any, **kwargs: Any) -> Any:
        engines.append(kwargs.get("engine", "c"))
        return read_csv(*args, **kwargs)

    monkeypatch.setattr(pd, "read_csv", counted)
    build_data(tables(tmp_path))
    assert engines == ["c"]


def test_prefix_batches_are_recboles_training_rows(ours: list[ContrastiveDataset], theirs: list[Any]) -> None:
    def keys(fields: Any) -> set[tuple[int, ...]]:
        columns = [fields["user_id"].unsqueeze(1), fields["item_id"].unsqueeze(1), fields["item_id_list"]]
        return set(map(tuple, torch.cat(columns, dim=1).tolist()))

    batches = [batch.interaction for batch in loader(ours[0], "prefix", same_target=False)]
    assert set().union(*(keys(batch) for batch in batches)) == keys(theirs[0].inter_feat)
    assert sum(len(batch["user_id"]) for batch in batches) == len(theirs[0])


def test_sequence_batches_hold_recboles_targets(ours: list[ContrastiveDataset], theirs: list[Any]) -> None:
    ours_targets, first_windows = [], 0
    for batch in loader(ours[0], "sequence", same_target=False):
        fields = batch.interaction
        length, following = fields["item_length"], fields[NEXT_PREFIX + "item_id_list"]
        inside = torch.arange(LENGTH) < length.unsqueeze(1)
        ours_targets.append(torch.stack([fields["user_id"].unsqueeze(1).expand_as(inside)[inside], following[inside]]))
        assert torch.equal(following[:, :-1][inside[:, 1:]], fields["item_id_list"][:, 1:][inside[:, 1:]])
        assert torch.equal(following.gather(1, length.unsqueeze(1) - 1).squeeze(1), fields["item_id"])
        assert not following[~inside].any() and not fields["item_id_list"][~inside].any()
        first_windows += int((length < LENGTH).sum())
    pairs = torch.cat(ours_targets, dim=1).T.tolist()
    features = theirs[0].inter_feat
    expected = torch.stack([features["user_id"], features["item_id"]], dim=1).tolist()
    assert sorted(pairs) == sorted(expected) and first_windows > 0


@pytest.mark.parametrize("form", ["prefix", "sequence"])
def test_positives_share_the_anchors_target_and_come_from_training(ours: list[ContrastiveDataset], form: str) -> None:
    train = loader(ours[0], form)
    rows = rows_of(ours[0])
    windows = {tuple(row) for row in ours[0][torch.arange(len(rows))]["item_id_list"].tolist()}
    fields = next(iter(train)).interaction
    if form == "prefix":
        anchor_target = fields["item_id"]
    else:
        row, anchor = fields[ANCHOR_ROW], fields[ANCHOR_LENGTH]
        assert int(anchor.min()) >= 1 and bool((anchor <= fields["item_length"][row]).all())
        anchor_target = fields[NEXT_PREFIX + "item_id_list"][row, anchor - 1]
    target_of: dict[tuple[int, ...], set[int]] = {}
    features = ours[0][torch.arange(len(rows))]
    for row, target in zip(features["item_id_list"].tolist(), features["item_id"].tolist(), strict=True):
        target_of.setdefault(tuple(row), set()).add(target)
    positives = fields["hook_same_target_item_id_list"].tolist()
    assert len(positives) == len(anchor_target)
    for row, target in zip(positives, anchor_target.tolist(), strict=True):
        assert tuple(row) in windows and target in target_of[tuple(row)]


def test_places_of_targets_are_those_of_the_items(ours: list[ContrastiveDataset]) -> None:
    batches = [batch.interaction for batch in loader(ours[0], "sequence", same_target=False)]
    assert len(batches) > 1 and len({len(fields["item_id"]) for fields in batches}) == 2  # the last one is smaller
    for fields in batches:
        assert torch.equal(fields[TARGET_PLACE], fields["item_id_list"].flatten().nonzero().squeeze(1))


def test_no_validation_or_test_item_enters_the_index(ours: list[ContrastiveDataset]) -> None:
    train = loader(ours[0], "prefix")
    held_out = {int(end) for split in ours[1:] for end in split.inter_feat[ROW_END]}
    hook = train._hooks["same_target"]
    assert isinstance(hook, SameTarget)
    used = train.prefixes.end[hook._index.order].tolist()
    assert len(used) == len(train.prefixes) and held_out.isdisjoint(used)
    assert len(held_out) == 2 * 943


@pytest.mark.parametrize("anchors", [1, 2])
def test_anchors_are_uniform_and_every_prefix_gets_its_turn(ours: list[ContrastiveDataset], anchors: int) -> None:
    train = loader(ours[0], "sequence", same_target=False, anchors=anchors)
    index = torch.full((20_000,), 0)
    lengths = train.batch(index).interaction[ANCHOR_LENGTH]
    row_length = int(train.rows.end[0] - train.rows.start[0])
    counts = torch.bincount(lengths, minlength=row_length + 1)[1:]
    expected = len(lengths) / row_length
    assert len(counts) == row_length
    assert float((counts - expected).abs().max()) < 5 * expected**0.5


def test_a_row_has_no_anchor_twice_unless_it_must(ours: list[ContrastiveDataset]) -> None:
    train = loader(ours[0], "sequence", same_target=False, anchors=8)
    index = torch.arange(len(train.rows))
    length = train.rows.end - train.rows.start
    drawn = train.batch(index).interaction[ANCHOR_LENGTH].view(-1, 8).sort(dim=1).values
    assert int(drawn.min()) == 1 and bool((drawn[:, -1] <= length).all())
    assert torch.equal(1 + (drawn.diff(dim=1) > 0).sum(1), length.clamp(max=8)) and bool((length < 8).any())


def test_same_seed_same_batches_and_nothing_is_written_to(ours: list[ContrastiveDataset]) -> None:
    before = ours[0].flat["item_id"].clone()
    first, second = ([b.interaction for b in loader(ours[0], "sequence")] for _ in range(2))
    for a, b in zip(first, second, strict=True):
        assert all(torch.equal(a[field], b[field]) for field in a)
    assert torch.equal(ours[0].flat["item_id"], before)
