"""Hooks in the training loader: which rows they see, for which anchors they draw, and where it arrives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from recbole_cl.batch import ANCHOR_LENGTH, ANCHOR_ROW, NEXT_PREFIX
from recbole_cl.config.config import Config
from recbole_cl.data.dataset import ContrastiveDataset
from recbole_cl.data.hooks import TrainingRows
from recbole_cl.data.loader import LoaderSettings, TrainLoader
from recbole_cl.testing.toy import write_cycle
from tests.data.hooks import Facts, Itself

BOTH_FORMS = pytest.mark.parametrize("form", ["prefix", "sequence"])


@pytest.fixture(scope="module")
def train(tmp_path_factory: pytest.TempPathFactory) -> ContrastiveDataset:
    """A training split in which some users are longer than the window."""
    folder: Path = tmp_path_factory.mktemp("data")
    settings = {**write_cycle(folder), "MAX_ITEM_LIST_LENGTH": 5, "use_gpu": False}
    split: ContrastiveDataset = ContrastiveDataset(Config("SASRec", "cycle", config_dict=settings)).build()[0]
    return split


def loader(train: ContrastiveDataset, form: str, seed: int = 3, draw: str = "per_row") -> TrainLoader:
    hooks: dict[str, Any] = {"itself": Itself, "facts": Facts}
    return TrainLoader(train, LoaderSettings(form, 32, True, hooks, 2, draw, seed, torch.device("cpu")))


def test_prefixes_get_what_was_drawn_for_them(train: ContrastiveDataset) -> None:
    for batch in loader(train, "prefix"):
        fields = batch.interaction
        assert torch.equal(fields["hook_itself_item_id_list"], fields["item_id_list"])
        assert torch.equal(fields["hook_itself_item_length"], fields["item_length"])
        assert torch.equal(fields["hook_facts"][:, 0], fields["user_id"])
        assert torch.equal(fields["hook_facts"][:, 1], fields["item_id"])


@pytest.mark.parametrize("draw", ["per_row", "per_target"])
def test_each_anchor_of_a_sequence_gets_what_was_drawn_for_its_prefix(train: ContrastiveDataset, draw: str) -> None:
    for batch in loader(train, "sequence", draw=draw):
        fields = batch.interaction
        row_of, anchor = fields[ANCHOR_ROW], fields[ANCHOR_LENGTH]
        assert fields["hook_facts"].shape == (2 * len(fields["user_id"]), 3)
        assert torch.equal(fields["hook_facts"][:, 0], fields["user_id"][row_of])
        targets = fields[NEXT_PREFIX + "item_id_list"][row_of, anchor - 1]
        assert torch.equal(fields["hook_facts"][:, 1], targets)
        own = zip(fields["hook_itself_item_id_list"].tolist(), fields["hook_itself_item_length"].tolist(), strict=True)
        seen = fields["item_id_list"][row_of].tolist()
        for (items, length), row, n in zip(own, seen, anchor.tolist(), strict=True):
            assert items[length - n : length] == row[:n]  # the prefix's window may reach further back than the row's


@BOTH_FORMS
def test_hooks_draw_from_the_loaders_generator(train: ContrastiveDataset, form: str) -> None:
    one, two, other = (next(iter(loader(train, form, seed))).interaction["hook_facts"][:, 2] for seed in (3, 3, 4))
    assert torch.equal(one, two) and not torch.equal(one, other)


@BOTH_FORMS
def test_a_hook_sees_training_rows_only_and_is_made_once(train: ContrastiveDataset, form: str) -> None:
    made: list[TrainingRows] = []

    def build(rows: TrainingRows) -> Itself:
        made.append(rows)
        return Itself(rows)

    one = TrainLoader(train, LoaderSettings(form, 32, True, {"itself": build}, 1, "per_row", 3, torch.device("cpu")))
    for _ in range(2):
        assert all("hook_itself_item_id_list" in batch.interaction for batch in one)
    (rows,) = made
    features = train.inter_feat
    seen = torch.stack((rows.user, rows.target), dim=1).tolist()
    assert sorted(seen) == sorted(torch.stack((features["user_id"], features["item_id"]), dim=1).tolist())


def test_without_hooks_batches_have_no_other_fields(train: ContrastiveDataset) -> None:
    plain = TrainLoader(train, LoaderSettings("prefix", 32, True, {}, 1, "per_row", 3, torch.device("cpu")))
    assert set(next(iter(plain)).interaction) == {"user_id", "item_id", "item_length", "item_id_list"}
