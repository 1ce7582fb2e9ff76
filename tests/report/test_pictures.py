"""The pictures beside the pages of results, and what they are drawn from."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

RESULTS = Path(__file__).parents[2] / "results"
DRAWN = sorted(RESULTS.glob("*.tables.md"))


@pytest.fixture(scope="module")
def script() -> dict[str, object]:
    return runpy.run_path(str(RESULTS / "draw.py"))


def test_the_figures_drawn_are_those_of_the_tables(script: dict[str, object]) -> None:
    found = script["differences"]("amazon-beauty-sequence")  # type: ignore[operator]
    kept = {(it.comparison, it.model): it for it in found if it.protocol == "history kept"}
    duorec = kept["Three seeds, beside SASRec (0 is SASRec)", "DuoRec"]
    assert (duorec.seeds, duorec.percent) == (3, 8.0)
    assert (duorec.low, duorec.high) == pytest.approx((100 * 0.0024 / 0.0408, 100 * 0.0041 / 0.0408))


@pytest.mark.parametrize("page", DRAWN, ids=lambda page: page.name.split(".")[0])
def test_every_page_has_its_picture_with_every_model_in_it(script: dict[str, object], page: Path) -> None:
    name = page.name.removesuffix(".tables.md")
    found = script["differences"](name)  # type: ignore[operator]
    drawn = (RESULTS / f"{name}.svg").read_text(encoding="utf-8").replace("&quot;", '"')
    assert {it.protocol for it in found} == {"history kept", "history removed"}
    assert [label for it in found for label in (it.comparison, it.model) if label not in drawn] == []
    assert f"]({name}.svg)" in (RESULTS / f"{name}.md").read_text(encoding="utf-8")
    assert len({(it.comparison, it.model, it.protocol) for it in found}) == len(found)  # no two on one line
