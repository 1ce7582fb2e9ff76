"""Operators by name: ours and other people's, and where the values of their keywords come from."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from recbole_cl.augmentation import OPERATORS, bind, crop, draw_two_views, insert, mask
from recbole_cl.augmentation.registry import takes
from recbole_cl.errors import UsageError
from recbole_cl.registry import name_paths
from tests.augmentation.cases import NEIGHBOUR, generator, random_rows

OUTSIDE = """
from recbole_cl.batch import Rows


def shift(item_seq, seq_len, generator, *, by, fill_id=0):
    return Rows(item_seq + by * (item_seq > 0), seq_len.clone())


WORDS = "not callable"
"""


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """An operator in a package of somebody else's: its dotted path."""
    package = f"somebodys_{request.node.originalname}"  # another one for each test: modules stay imported
    (tmp_path / package).mkdir()
    (tmp_path / package / "operators.py").write_text(OUTSIDE, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    return f"{package}.operators.shift"


def test_every_one_of_ours_takes_rows_and_a_generator() -> None:
    for name in OPERATORS.names():
        operator = bind(name, {"ratio": 0.5}, {"fill_id": 0, "neighbour": NEIGHBOUR})
        view = operator(*random_rows(20), generator())
        assert view.item_seq.shape == (20, 12) and view.seq_len.shape == (20,)


def test_values_come_from_the_settings_and_what_the_method_supplies_stays_so() -> None:
    rows = random_rows()
    supplied = {"fill_id": 7, "neighbour": NEIGHBOUR}
    view = bind("mask", {"ratio": 0.5}, supplied)(*rows, generator())
    assert torch.equal(view.item_seq, mask(*rows, generator(), ratio=0.5, fill_id=7).item_seq)
    with pytest.raises(
        UsageError, match=r"operator_options.mask has an entry 'fill_id': expected one of ratio, rounding"
    ):
        bind("mask", {"ratio": 0.5, "fill_id": 9}, supplied)
    view = bind("crop", {"ratio": 0.6, "span": "before_last"}, {})(*rows, generator())
    assert torch.equal(view.item_seq, crop(*rows, generator(), ratio=0.6, span="before_last").item_seq)


def test_what_an_operator_takes_is_told_by_its_keywords() -> None:
    assert takes("insert", "neighbour") and takes("mask", "fill_id")
    assert not takes("crop", "neighbour") and not takes("crop", "item_seq")


def test_an_operator_of_somebody_else_is_drawn_like_ours(outside: str) -> None:
    name_paths({"operators": ["crop", outside]})
    assert takes(outside, "fill_id") and not takes(outside, "neighbour")
    rows, supplied = random_rows(), {"fill_id": 0, "neighbour": NEIGHBOUR}
    moved = bind(outside, {"by": 500}, supplied)
    assert torch.equal(moved(*rows, generator()).item_seq, rows[0] + 500 * (rows[0] > 0))
    operators = {outside: moved, "insert": bind("insert", {"ratio": 0.2}, supplied)}
    for view in draw_two_views(*rows, operators, generator(), distinct=True):
        by_theirs = (view.item_seq == rows[0] + 500 * (rows[0] > 0)).all(1)
        assert 0 < by_theirs.sum() < (rows[1] > 1).sum()  # a row of one item is left as it is


def test_an_operator_that_the_caller_has_not_named_is_not_imported(outside: str) -> None:
    with pytest.raises(UsageError, match=rf"operator {outside}: named only by a stored file"):
        OPERATORS.resolve(outside)


def test_what_is_no_operator_is_refused(outside: str) -> None:
    path = outside.replace("shift", "WORDS")
    name_paths(path)
    with pytest.raises(UsageError, match=rf"operator {path} is a str: expected a function"):
        OPERATORS.resolve(path)
    with pytest.raises(UsageError, match=r"unknown operator 'corp'.*did you mean crop\?.*insert"):
        OPERATORS.resolve("corp")


def test_a_keyword_without_a_value_is_refused(outside: str) -> None:
    name_paths(outside)
    for name, key in ((outside, "by"), ("crop", "ratio")):
        with pytest.raises(
            UsageError, match=rf"{name} needs a value for '{key}'.*operator_options = .*{name}: .*{key}: "
        ):
            bind(name, {}, {"fill_id": 0})


def test_a_value_without_a_keyword_is_refused() -> None:
    with pytest.raises(
        UsageError, match=r"operator_options\.crop has an entry 'rate': expected one of ratio, rounding, span"
    ):
        bind("crop", {"rate": 0.2}, {})


def test_ours_are_the_functions_that_the_package_exports() -> None:
    assert OPERATORS.resolve("Crop") is crop and OPERATORS.resolve("insert") is insert
