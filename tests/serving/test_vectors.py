"""Nearest items, and vectors in files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recbole_cl import LoadedRun
from recbole_cl.cli import main
from recbole_cl.errors import UsageError


def test_nearest_items_are_those_of_the_greatest_cosine(ours: LoadedRun) -> None:
    table = ours.item_table.numpy()  # [N, D]
    unit = table / np.maximum(np.linalg.norm(table, axis=1, keepdims=True), 1e-12)
    cosine = unit @ unit.T
    start = ours.items.id_of("i3")
    cosine[start, [0, start]] = -2
    expected = [ours.items.tokens[i] for i in np.argsort(-cosine[start])[:4]]
    found = ours.similar(["i3"], k=4)
    assert list(found["similar"]) == expected and list(found["item"]) == ["i3"] * 4
    assert len(ours.similar(k=2)) == 40


def test_vectors_in_files(ours: LoadedRun, run_dir: str, tmp_path: Path) -> None:
    npz, parquet = tmp_path / "new" / "items.npz", tmp_path / "newer" / "users.parquet"
    assert main(["embeddings", run_dir, "--out", str(npz)]) == 0
    assert main(["embeddings", run_dir, "--of", "users", "--out", str(parquet)]) == 0
    items, users = np.load(npz), pd.read_parquet(parquet)
    assert list(items["tokens"]) == ours.items.tokens[1:]
    scores = np.stack(users["vector"]) @ items["vectors"].T  # what the model recommends by
    best = dict(zip(users["token"], items["tokens"][scores.argmax(axis=1)], strict=True))
    recommended = ours.recommend(k=1, exclude="none")
    assert best == dict(zip(recommended["user"], recommended["item"], strict=True))


def test_what_has_no_vectors_is_told(recboles: LoadedRun, ours: LoadedRun, run_dir: str, tmp_path: Path) -> None:
    assert len(recboles.similar(["i3"], k=2)) == 2
    with pytest.raises(UsageError, match="GRU4Rec gives no vectors of sequences"):
        recboles.sequence_vectors(recboles.histories(["u1"]))
    with pytest.raises(UsageError, match="item 'i99' is not among the 20"):
        ours.similar(["i99"])
    with pytest.raises(UsageError, match="k = 20: expected 1 to 19"):
        ours.similar(k=20)
    assert main(["embeddings", run_dir, "--out", str(tmp_path / "x.csv")]) == 2
