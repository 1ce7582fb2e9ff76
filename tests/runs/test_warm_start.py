"""A new training that starts from an older model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from recbole_cl import load, run
from recbole_cl.cli import main
from recbole_cl.data.vocabulary import Vocabulary
from recbole_cl.errors import UsageError
from recbole_cl.runs.warm_start import _rows_by_token
from recbole_cl.testing.toy import TINY, write_cycle


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = TINY | write_cycle(tmp_path_factory.mktemp("older")) | {"epochs": 1}
    return run("CoSeRec", "cycle", **settings).run_dir


@pytest.fixture
def grown(tmp_path: Path) -> dict[str, Any]:
    """The same data a day later: an item is gone, two are new, and all ids are others."""
    settings = TINY | write_cycle(tmp_path) | {"epochs": 0}
    file = tmp_path / "cycle" / "cycle.inter"
    lines = file.read_text().replace("\ti7\t", "\tnew1\t").splitlines()
    file.write_text("\n".join([lines[0], *reversed(lines[1:]), "u0\tnew2\t90"]) + "\n")
    return settings


def test_items_are_matched_by_token(older: Path, grown: dict[str, Any]) -> None:
    before = load(older)
    after = load(run("CoSeRec", "cycle", init_from=str(older), **grown).run_dir)
    fresh = load(run("CoSeRec", "cycle", **grown).run_dir)
    for token in ("i3", "i19", "i0"):
        tables = [it.item_table[it.items.id_of(token)] for it in (before, after)]
        assert torch.equal(*tables)
    for token in ("new1", "new2"):
        tables = [it.item_table[it.items.id_of(token)] for it in (fresh, after)]
        assert torch.equal(*tables)
    weights = [it.model.encoder.state_dict() for it in (before, after)]
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])
    masks = [it.model.item_embedding.weight[it.model.mask_id] for it in (before, after)]
    assert torch.equal(*masks)


@pytest.mark.parametrize("frozen", [False, True])
def test_pretrained_vectors_are_matched_by_token(grown: dict[str, Any], tmp_path: Path, frozen: bool) -> None:
    """i2 has a vector only in the older file, i3 in both, i4 only in today's, i5 and the new items in neither."""
    first = grown | write_cycle(tmp_path / "first") | {"freeze_pretrained_items": frozen}
    drawn = np.random.default_rng(1).normal(size=(4, 16)).astype(np.float32)
    for name, tokens, vectors in (("old", ["i2", "i3"], drawn[:2]), ("today", ["i3", "i4"], drawn[2:])):
        np.savez(tmp_path / name, tokens=np.array(tokens), vectors=vectors)
    old = run("SASRec", "cycle", **first, seed=7, pretrained_items=str(tmp_path / "old.npz")).run_dir
    today = grown | {"freeze_pretrained_items": frozen, "pretrained_items": str(tmp_path / "today.npz")}
    before, after = load(old), load(run("SASRec", "cycle", **today, init_from=str(old)).run_dir)
    fresh = load(run("SASRec", "cycle", **today).run_dir)
    kept = {"i2": before, "i3": fresh if frozen else before, "i4": fresh if frozen else before, "i5": before}
    for token, source in (kept | {"new1": fresh, "new2": fresh}).items():
        assert torch.equal(*(it.item_table[it.items.id_of(token)] for it in (source, after))), token


def test_rows_by_token() -> None:
    fresh, trained = torch.arange(10.0).view(5, 2), 100 + torch.arange(8.0).view(4, 2)
    found = _rows_by_token(fresh, trained, Vocabulary(["", "b", "c", "a"]), Vocabulary(["", "a", "b"]))
    assert torch.equal(found, torch.stack([trained[0], trained[2], fresh[2], trained[1], trained[3]]))


def test_what_does_not_fit_is_told(older: Path, grown: dict[str, Any], tmp_path: Path, capsys: Any) -> None:
    with pytest.raises(UsageError, match="it holds CoSeRec, this is SASRec"):
        run("SASRec", "cycle", init_from=str(older), **grown)
    with pytest.raises(UsageError, match="GRU4Rec is RecBole's own model"):
        run("GRU4Rec", "cycle", init_from=str(older), data_path=grown["data_path"], checkpoint_dir=str(tmp_path))
    with pytest.raises(UsageError, match=r"shape \(8, 16\), here \(9, 16\)"):
        run("CoSeRec", "cycle", init_from=str(older), **grown | {"MAX_ITEM_LIST_LENGTH": 9})
    with pytest.raises(UsageError, match=r"shape \(16,\), here \(8,\)"):
        run("CoSeRec", "cycle", init_from=str(older), **grown | {"hidden_size": 8})
    flags = ["-m", "CoSeRec", "-d", "cycle", f"--data_path={grown['data_path']}", "--MAX_ITEM_LIST_LENGTH=8"]
    assert main(["train", *flags, f"--checkpoint_dir={tmp_path}", f"--init_from={tmp_path}"]) == 2
    assert "not a run folder" in capsys.readouterr().err
