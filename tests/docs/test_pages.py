"""What of the documentation is made by a program is current, and every page can be reached."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

import recbole_cl
from recbole_cl.config.models import own_models
from recbole_cl.config.reference import page, with_table
from tests.docs.pages import ROOT

DOCS = ROOT / "docs"
METHODS = DOCS / "methods"
REMEDY = "python -m recbole_cl.config.reference docs"


def leaves(nav: Any) -> Iterator[str]:
    """The pages of a part of the navigation."""
    for value in nav if isinstance(nav, list) else nav.values() if isinstance(nav, dict) else ():
        yield from leaves(value)
    if isinstance(nav, str):
        yield nav


def test_the_page_of_settings_is_what_the_settings_say() -> None:
    assert (DOCS / "settings.md").read_text(encoding="utf-8") == page(), REMEDY


@pytest.mark.parametrize("model", own_models())
def test_every_method_has_a_page_with_its_picture_settings_and_results(model: str) -> None:
    text = (METHODS / f"{model.lower()}.md").read_text(encoding="utf-8")
    assert text == with_table(text), REMEDY
    assert f"pictures/{model.lower()}.svg" in text
    assert "## Settings" in text and "## What we measured" in text
    assert model == "SASRec" or f"<!-- settings of {model} -->" in text
    assert f"({model.lower()}.md)" in (METHODS / "index.md").read_text(encoding="utf-8")


def test_pictures_are_what_their_program_draws() -> None:
    path = METHODS / "pictures" / "draw.py"
    spec = importlib.util.spec_from_file_location("draw", path)
    assert spec is not None and spec.loader is not None
    draw = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(draw)
    assert set(draw.PICTURES) == {model.lower() for model in own_models()} | {"encoders"}
    for name, lines in draw.PICTURES.items():
        assert (path.parent / f"{name}.svg").read_text(encoding="utf-8") == draw.svg(lines), f"python {path}"


def test_every_page_is_in_the_navigation() -> None:
    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]
    pages = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
    assert set(leaves(nav)) == pages | {"results/README.md"}


def test_every_public_name_is_in_the_reference() -> None:
    named = set(re.findall(r"^::: recbole_cl\.([\w.]+)$", (DOCS / "api.md").read_text(encoding="utf-8"), re.MULTILINE))
    assert {f"{module}.{name}" for name, module in recbole_cl._HOMES.items()} <= named
