"""Nearest items, and vectors in files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from recbole_cl import LoadedRun
from recbole_cl.cli import main
from recbole_cl.config.config import Config
from recbole_cl.errors import UsageError
from recbole_cl.runs.build import build_model
from recbole_cl.testing.toy import TINY


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


def test_vectors_of_bert4rec_give_its_scores(ours: LoadedRun) -> None:
    shared = {key: value for key, value in ours.config.settings_dict().items() if key in (*TINY, "data_path")}
    config = Config("BERT4Rec", "cycle", config_dict=shared)
    model = build_model(config, ours.splits[0]).eval()
    torch.nn.init.normal_(model.item_bias)
    bert = replace(ours, config=config, model=model)
    histories = bert.histories(["u3", "u11"])
    rows = next(bert.recommender.batches(histories))
    with torch.no_grad():
        scores = model.scorer(*rows[:3])(slice(0, 2), slice(0, len(bert.items)))
    assert torch.allclose(bert.sequence_vectors(histories) @ bert.item_table.T, scores, atol=1e-5)


def test_rows_behind_the_items_are_none(recboles: LoadedRun) -> None:
    table = nn.Embedding(len(recboles.items) + 1, 4)
    more = replace(recboles, model=SimpleNamespace(item_embedding=table, n_items=table.num_embeddings))  # as S3Rec
    assert len(more.item_table) == len(recboles.items)
    assert set(more.similar(k=19)["similar"]) == set(recboles.items.tokens[1:])


@pytest.mark.parametrize(
    "command",
    ["evaluate --out", "evaluate --per_user", "similar --out", "embeddings --out", "recommend --users all --out"],
)
def test_a_wrong_name_is_told_before_the_run_is_loaded(command: str, tmp_path: Path, capsys: Any) -> None:
    name, *flags = command.split()
    assert main([name, str(tmp_path / "no run"), *flags, "x.xlsx"]) == 2
    assert "x.xlsx: expected a name that ends in" in capsys.readouterr().err


def test_names_of_items_do_nothing_to_the_terminal(
    run_dir: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table = pd.DataFrame({"item": ["\x1b[2J"], "rank": [1], "similar": ["i1"], "score": [0.5]})
    monkeypatch.setattr(LoadedRun, "similar", lambda *_: table)
    assert main(["similar", run_dir]) == 0
    assert "\x1b" not in (out := capsys.readouterr().out) and "\\x1b[2J" in out and out.count("\n") == 2


def test_what_has_no_vectors_is_told(recboles: LoadedRun, ours: LoadedRun, run_dir: str, tmp_path: Path) -> None:
    assert len(recboles.similar(["i3"], k=2)) == 2
    with pytest.raises(UsageError, match="GRU4Rec gives no vectors of sequences"):
        recboles.sequence_vectors(recboles.histories(["u1"]))
    with pytest.raises(UsageError, match="item 'i99' is not among the 20"):
        ours.similar(["i99"])
    with pytest.raises(UsageError, match="k = 20: expected 1 to 19"):
        ours.similar(k=20)
    assert main(["embeddings", run_dir, "--out", str(tmp_path / "x.csv")]) == 2
