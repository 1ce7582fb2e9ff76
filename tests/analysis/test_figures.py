"""Every figure, as numbers and as pictures."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from recbole_cl.analysis import recorded
from recbole_cl.analysis.embeddings import plane
from recbole_cl.analysis.epochs import Series, read_epochs
from recbole_cl.analysis.runs import Named, Subject
from recbole_cl.cli import main
from recbole_cl.testing.toy import N_ITEMS

Analyze = Any


@pytest.fixture
def analyze(tmp_path: Path) -> Analyze:
    """Makes a figure and gives its numbers."""

    def made(figure: str, *arguments: object) -> pd.DataFrame:
        files = [tmp_path / f"figure.{ending}" for ending in ("svg", "csv")]
        assert main(["analyze", *map(str, arguments), "--figure", figure, "--out", *map(str, files)]) == 0
        assert "</svg>" in files[0].read_text()
        return pd.read_csv(files[1])

    return made


def weights_of(folder: Path, file: str) -> np.ndarray[Any, Any]:
    table: torch.Tensor = torch.load(folder / file, weights_only=True)["state_dict"]["item_embedding.weight"]
    return table[1 : N_ITEMS + 1].double().numpy()


def test_singular_values_are_those_of_the_items_alone(analyze: Analyze, trained: dict[str, Path]) -> None:
    table = analyze("spectrum", trained["AdaptiveRec"], "--weights", "best", "last")
    for kind in ("best", "last"):
        own = table[table["weights"] == kind]
        vectors = weights_of(trained["AdaptiveRec"], f"{kind}.pth")
        expected = np.sqrt(np.linalg.eigvalsh(vectors.T @ vectors)[::-1])
        assert np.allclose(own["value"], expected) and np.allclose(own["relative"], expected / expected[0])
        assert set(own["run"]) == {f"AdaptiveRec, {kind}"}


def test_items_in_a_plane_are_coloured_by_what_training_saw(analyze: Analyze, trained: dict[str, Path]) -> None:
    table = analyze("projection", trained["DuoRec"]).set_index("item")
    data = pd.read_csv(trained["DuoRec"].parents[1] / "cycle" / "cycle.inter", sep="\t")
    seen = data.groupby("user_id:token")["item_id:token"].apply(lambda items: list(items)[:-2]).explode().value_counts()
    assert table["popularity"].to_dict() == seen.to_dict()
    vectors = weights_of(trained["DuoRec"], "best.pth")
    values = np.linalg.svd(vectors, compute_uv=False)
    assert np.allclose(np.linalg.norm(table[["x", "y"]], axis=0), values[:2])
    assert np.allclose(np.abs(table["x"] @ table["y"]), 0, atol=1e-9)
    assert np.allclose(plane(-vectors), -plane(vectors))


def test_paths_have_both_forms(analyze: Analyze, trained: dict[str, Path]) -> None:
    unit = analyze("geometry", *trained.values(), "--metric", "mrr@10")
    as_is = analyze("geometry", *trained.values(), "--form", "as_is", "--label", "one", "two")
    assert len(unit) == len(as_is) == 6 and unit["mrr@10"].between(0, 1).all() and as_is["ndcg@10"].notna().all()
    assert list(dict.fromkeys(as_is["run"])) == ["one", "two"]
    assert unit["alignment"].between(0, 4).all() and (unit["uniformity"] <= 0).all()
    assert not np.allclose(unit["alignment"], as_is["alignment"])
    last = analyze("uniformity", *trained.values())
    assert last["uniformity"].tolist() == unit[unit["epoch"] == 2]["uniformity"].tolist()


def test_an_epoch_without_views_hides_no_uniformity(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    two, three = (Series(np.arange(n), np.full(n, -2.0)) for n in (2, 3))
    found = {"diagnostics/alignment": two, "diagnostics/uniformity": two, "valid/ndcg@10": three}
    monkeypatch.setattr(recorded, "read_epochs", lambda folder: found)
    run: Any = SimpleNamespace(run_dir=tmp_path)
    table = recorded.uniformity(Subject([Named("a", run)], {}, ["best"], "unit", "ndcg@10")).table
    assert (table["epoch"].tolist(), table["uniformity"].tolist()) == ([1], [-2.0])


def test_negatives_are_sorted_in_every_epoch(analyze: Analyze, trained: dict[str, Path]) -> None:
    table = analyze("negatives", *trained.values())
    for _, curve in table.groupby(["run", "epoch"]):
        assert curve["share"].tolist() == [i / 40 for i in range(41)]
        assert (np.diff(curve["similarity"]) >= 0).all() and curve["similarity"].between(-1.001, 1.001).all()
    assert len(table) == 2 * 3 * 41


def test_thresholds(analyze: Analyze, trained: dict[str, Path]) -> None:
    table = analyze("thresholds", trained["AdaptiveRec"])
    assert table["epoch"].tolist() == [0, 1, 2] and table["threshold"].between(-1.05, 1.05).all()
    recorded = read_epochs(trained["AdaptiveRec"])
    for name in table.columns[table.columns.get_loc("epoch") + 1 :]:
        assert table[name].tolist() == pytest.approx(recorded[f"diagnostics/{name}"].value.tolist()), name


def test_arrays_and_pictures_are_written_by_default(
    trained: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["analyze", *map(str, trained.values()), "--figure", "bars", "--metric", "hit@3"]) == 0
    assert Path("bars.png").read_bytes().startswith(b"\x89PNG")
    with np.load("bars.npz", allow_pickle=False) as arrays:
        assert arrays["line"].tolist() == ["DuoRec", "DuoRec", "AdaptiveRec", "AdaptiveRec"]
        assert set(arrays["seeds"]) == {1} and np.isnan(arrays["std"]).all()


def test_names_are_no_formulas(trained: dict[str, Path], tmp_path: Path) -> None:
    file = tmp_path / "bars.csv"
    flags = ["--figure", "bars", "--metric", "hit@3", "--label", "=1+1", "--out", str(file)]
    assert main(["analyze", str(trained["DuoRec"]), *flags]) == 0
    assert set(pd.read_csv(file)["line"]) == {"'=1+1"} and pd.read_csv(file)["seeds"].tolist() == [1, 1]


def test_what_a_run_has_not_is_told_in_one_line(
    trained: dict[str, Path], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def refusal(*arguments: object) -> str:
        assert main(["analyze", *map(str, arguments)]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        return error

    duorec = trained["DuoRec"]
    assert "recorded no statistic: train with AdaptiveRec" in refusal(duorec, "--figure", "thresholds")
    assert "expected a name that ends in .png" in refusal(duorec, "--figure", "bars", "--out", tmp_path / "a.pdf")
    assert "invalid choice: 'spectra'" in refusal(duorec, "--figure", "spectra")
