"""The scripts of examples/ and the notebook, run on tiny data. The example that serves has tests of its own."""

from __future__ import annotations

import json
import re
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recbole_cl.testing.toy import TINY, write_cycle

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Of a run on users who walk round a circle of items, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return {**TINY, **write_cycle(tmp_path / "data"), "epochs": 1}


def main_of(name: str) -> Callable[..., Any]:
    main: Callable[..., Any] = runpy.run_path(str(EXAMPLES / f"{name}.py"))["main"]
    return main


@pytest.mark.slow
def test_two_methods_are_compared_under_both_protocols(settings: dict[str, Any]) -> None:
    printed = main_of("compare_two_methods")("cycle", (1, 2), **settings)
    assert "cycle, history kept" in printed and "cycle, history removed" in printed
    assert re.search(r"ndcg@10 +DuoRec +2 +0\.\d{4} +0\.\d{4} +[+-]0\.\d{4}", printed)


@pytest.mark.slow
def test_orders_become_recommendations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    script = runpy.run_path(str(EXAMPLES / "recommend_from_own_data.py"))
    orders = script["made_up_orders"](60, 20)
    found = script["main"](orders, ["customer3", "customer4"], k=2, **TINY, epochs=1)
    assert list(found["user"]) == ["customer3"] * 2 + ["customer4"] * 2
    had = set(orders.loc[orders["customer"] == "customer3", "product"])
    assert not had & set(found.loc[found["user"] == "customer3", "item"])


@pytest.mark.slow
def test_a_method_of_ones_own_trains_by_its_file_and_yaml(
    settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    from own_method import main  # type: ignore[import-not-found]  # as users have it beside their script

    result = main("cycle", **settings, contrastive_weight=0.5)
    assert "contrastive:" in (result.run_dir / "log.txt").read_text(encoding="utf-8")
    assert "crop_ratio: 0.6" in (result.run_dir / "config.yaml").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_notebook_runs_cell_by_cell(settings: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    cells = json.loads((EXAMPLES / "tour.ipynb").read_text(encoding="utf-8"))["cells"]
    names: dict[str, Any] = {}
    for cell in (cell for cell in cells if cell["cell_type"] == "code"):
        exec(compile("".join(cell["source"]), "tour.ipynb", "exec"), names)
        if "parameters" in cell["metadata"].get("tags", []):
            names |= {"DATASET": "cycle", "SETTINGS": settings}
    assert {run.model for run in names["runs"]} == {"SASRec", "DuoRec"}
    assert len(names["trained"].recommend(names["users"], k=3)) == 6
    assert all(cell["outputs"] == [] for cell in cells if cell["cell_type"] == "code")  # what they show is made anew
