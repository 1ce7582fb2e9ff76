"""Batches in a plain RecBole script, where the reader itself runs a model's hooks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from recbole.config import Config as RecBoleConfig
from recbole.data import create_dataset, data_preparation

from recbole_cl.data.hooks import HookFactory
from recbole_cl.model.sasrec import SASRec
from recbole_cl.testing.toy import TINY, write_cycle
from tests.data.hooks import Facts, Itself


class Hooked(SASRec):
    """Has rows and a tensor drawn for its anchors."""

    @property
    def batch_hooks(self) -> Mapping[str, HookFactory]:
        return {"itself": Itself, "facts": Facts}


def script(folder: Path, **settings: Any) -> tuple[Any, Any, Any]:
    """A model, and RecBole's own training and test batches."""
    plain = {"train_neg_sample_args": None, "load_col": {"inter": ["user_id", "item_id", "timestamp"]}}
    data = write_cycle(folder)
    config = RecBoleConfig(model=Hooked, dataset="cycle", config_dict=TINY | data | plain | settings)
    train, _, test = data_preparation(config, create_dataset(config))
    return Hooked(config, train.dataset), train, test


@pytest.fixture(autouse=True)
def _no_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["script.py"])  # which RecBole reads


def test_each_row_gets_what_was_drawn_for_it(tmp_path: Path) -> None:
    model, train, _ = script(tmp_path, train_batch_size=64)
    n = 0
    for interaction in train:
        batch = model._read(interaction)
        own, facts = batch.extra["itself"], batch.extra["facts"]
        assert torch.equal(own.item_seq, batch.item_seq) and torch.equal(own.seq_len, batch.seq_len)
        assert torch.equal(facts[:, 0], interaction["user_id"]) and torch.equal(facts[:, 1], batch.target)
        n += len(facts)
    assert n == len(train.dataset)


def test_the_seed_decides_what_is_drawn(tmp_path: Path) -> None:
    drawn = []
    for number, seed in enumerate((3, 3, 4)):
        model, train, _ = script(tmp_path / str(number), seed=seed, shuffle=False)
        drawn.append(model._read(next(iter(train))).extra["facts"][:, 2])
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])


def test_nothing_is_drawn_for_rows_that_are_only_scored(tmp_path: Path) -> None:
    model, _, test = script(tmp_path)
    interaction, *_ = next(iter(test))
    assert model._read(interaction).extra == {}
