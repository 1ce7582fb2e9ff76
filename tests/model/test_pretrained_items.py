"""Vectors of items that something else has learned are the item embedding of every model of ours."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from recbole_cl.config.config import Config
from recbole_cl.data.item_vectors import read_vectors
from recbole_cl.errors import UsageError
from recbole_cl.runs.build import build_data, build_loader, build_model
from recbole_cl.testing.toy import N_ITEMS, TINY, write_cycle

SIZE = TINY["hidden_size"]
N_WITH = N_ITEMS - 3  # the last three items have none


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return write_cycle(tmp_path_factory.mktemp("data"))


def vectors_file(folder: Path, width: int) -> tuple[Path, np.ndarray[Any, Any]]:
    vectors = np.random.default_rng(0).normal(size=(N_WITH + 1, width)).astype(np.float32)
    tokens = np.array([*(f"i{item}" for item in range(N_WITH)), "of no item"])
    np.savez(folder / "vectors.npz", tokens=tokens, vectors=vectors)
    return folder / "vectors.npz", vectors


def build(model: str, folders: dict[str, str], **settings: Any) -> tuple[Any, Any, Any]:
    config = Config(model, "cycle", config_dict={**TINY, **folders, **settings})
    dataset, (train, _, _) = build_data(config)
    built = build_model(config, train)
    return built, dataset, build_loader(config, built, train)


def rows_with_vectors(model: Any, dataset: Any) -> Any:
    ids = dataset.token2id("item_id", [f"i{item}" for item in range(N_WITH)])
    return model.item_embedding.weight[torch.as_tensor(ids)].detach()


@pytest.mark.parametrize("model", ["SASRec", "BERT4Rec", "ECLSR", "ELECRec"])  # with a mask token, with two nets
def test_frozen_vectors_are_the_item_embedding_and_stay(
    model: str, folders: dict[str, str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, vectors = vectors_file(tmp_path, SIZE)
    with caplog.at_level(logging.INFO):
        built, dataset, loader = build(model, folders, pretrained_items=str(path), freeze_pretrained_items=True)
    assert f"{N_WITH} of {N_ITEMS} items have a pretrained vector, of {SIZE} values" in caplog.text
    np.testing.assert_array_equal(rows_with_vectors(built, dataset), vectors[:-1])
    before = built.item_embedding.weight.detach().clone()
    optimizer = torch.optim.Adam(built.parameters(), lr=0.1, weight_decay=0.1)
    sum(built.named_losses(next(iter(loader))).values()).backward()
    optimizer.step()
    np.testing.assert_array_equal(rows_with_vectors(built, dataset), vectors[:-1])
    changed = (built.item_embedding.weight != before).any(1).nonzero().squeeze(1)
    lacking = dataset.token2id("item_id", [f"i{item}" for item in range(N_WITH, N_ITEMS)])
    assert {*lacking} <= {*changed.tolist()}


def test_vectors_of_another_size_are_projected_and_trained(folders: dict[str, str], tmp_path: Path) -> None:
    path, vectors = vectors_file(tmp_path, 5)
    built, dataset, loader = build("SASRec", folders, pretrained_items=str(path))
    projection = built.item_embedding.projection.weight.detach().numpy()
    np.testing.assert_allclose(rows_with_vectors(built, dataset), vectors[:-1] @ projection.T, rtol=1e-4, atol=1e-6)
    sum(built.named_losses(next(iter(loader))).values()).backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in built.item_embedding.parameters())


def test_both_nets_of_elecrec_step_what_they_are_computed_from(folders: dict[str, str], tmp_path: Path) -> None:
    path, _ = vectors_file(tmp_path, 24)
    built, _, _ = build("ELECRec", folders, pretrained_items=str(path), double_steps=True)
    twice = {id(weight) for weight in built.stepped_twice}
    assert {id(weight) for weight in built.item_embedding.parameters()} <= twice and len(twice) > 2


def test_what_preload_weight_names_is_used_and_adds_no_item(folders: dict[str, str]) -> None:
    vectors = np.random.default_rng(0).normal(size=(N_WITH + 1, 4))
    tokens = [*(f"i{item}" for item in range(N_WITH)), "of no item"]
    lines = [f"{token}\t{' '.join(map(str, row))}" for token, row in zip(tokens, vectors, strict=True)]
    file = Path(folders["data_path"]) / "cycle" / "cycle.itememb"
    file.write_text("\n".join(["iid:token\tvec:float_seq", *lines]))
    settings: dict[str, Any] = {
        "additional_feat_suffix": ["itememb"],
        "load_col": {"inter": ["user_id", "item_id", "timestamp"], "itememb": ["iid", "vec"]},
        "alias_of_item_id": ["iid"],
        "preload_weight": {"iid": "vec"},
    }
    built, dataset, _ = build("DuoRec", folders, **settings)
    assert dataset.item_num == N_ITEMS + 1
    projection = built.item_embedding.projection.weight.detach().numpy()
    np.testing.assert_allclose(rows_with_vectors(built, dataset), vectors[:-1] @ projection.T, rtol=1e-4, atol=1e-6)
    file.write_text("\n".join(["iid:token\tvec:float_seq", *lines, "i19\t1 2"]))
    with pytest.raises(UsageError, match="preload_weight: vec has 2 to 4 values"):
        build("DuoRec", folders, **settings)
    with pytest.raises(UsageError, match="no effect with RecBole's own models"):
        Config("GRU4Rec", "cycle", config_dict=folders | settings)


def test_parquet_holds_the_same(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    pd.DataFrame({"token": ["a", "007"], "vector": [[1.0, 2.0], [3.0, 4.0]]}).to_parquet(tmp_path / "v.parquet")
    tokens, vectors = read_vectors(tmp_path / "v.parquet")
    assert tokens == ["a", "007"] and vectors.tolist() == [[1, 2], [3, 4]]
    pd.DataFrame({"token": [b"a"], "vector": [[1.0]]}).to_parquet(tmp_path / "v.parquet")
    assert read_vectors(tmp_path / "v.parquet")[0] == ["a"]


def test_tokens_may_be_bytes(tmp_path: Path) -> None:
    np.savez(tmp_path / "v.npz", tokens=np.array([b"a", "zoë".encode()]), vectors=[[1.0], [2.0]])
    assert read_vectors(tmp_path / "v.npz")[0] == ["a", "zoë"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"tokens": ["a"], "vectors": [1.0]}, r"1 tokens and vectors of shape \[1\]"),
        ({"tokens": ["a", "b"], "vectors": [[1.0]]}, r"2 tokens and vectors of shape \[1, 1\]"),
        ({"tokens": ["a", "a"], "vectors": [[1.0], [2.0]]}, "1 tokens occur twice"),
        ({"tokens": ["a"], "vectors": [[np.nan]]}, "the vector of 'a' has a value that is not a number"),
        ({"names": ["a"], "vectors": [[1.0]]}, "tokens is not a file"),
        ({"tokens": np.array(["a"], dtype=object), "vectors": [[1.0]]}, "expected .npz with the arrays tokens"),
    ],
)
def test_files_of_another_form_are_refused(tmp_path: Path, content: dict[str, Any], message: str) -> None:
    np.savez(tmp_path / "v.npz", **content)
    with pytest.raises(UsageError, match=message):
        read_vectors(tmp_path / "v.npz")


def test_a_file_that_is_missing_or_knows_no_item_is_refused(folders: dict[str, str], tmp_path: Path) -> None:
    np.savez(tmp_path / "v.npz", tokens=["a"], vectors=[[1.0]])
    for name, message in (("v.npz", "a vector of none of the 20 items"), ("no.npz", "No such file")):
        with pytest.raises(UsageError, match=message):
            build("SASRec", folders, pretrained_items=str(tmp_path / name))
