"""Views by operators that settings name: the draw, what it needs, and what it refuses."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch

from recbole_cl.augmentation import crop, draw_two_views, insert, mask
from recbole_cl.batch import Rows
from recbole_cl.errors import UsageError
from recbole_cl.model.contrast.views import ViewDrawer
from tests.augmentation.cases import MASK_ID, NEIGHBOUR, generator, random_rows

VALUES = {"crop": {"ratio": 0.6}, "mask": {"ratio": 0.3, "rounding": "ceil"}, "insert": {"ratio": 0.4}}


def drawer(*names: str, fill_id: int = MASK_ID, values: dict[str, Any] = VALUES, **settings: Any) -> ViewDrawer:
    return ViewDrawer(names, values, fill_id, generator(), **settings)


@pytest.mark.parametrize(
    "settings",
    [{}, {"distinct": True}, {"short_length": 4, "short_names": ["crop", "insert"]}],
    ids=["with replacement", "distinct", "short"],
)
def test_views_are_those_of_the_bound_operators(settings: dict[str, Any]) -> None:
    rows = random_rows()
    operators = {
        "crop": partial(crop, ratio=0.6),
        "mask": partial(mask, ratio=0.3, rounding="ceil", fill_id=MASK_ID),
        "insert": partial(insert, ratio=0.4, neighbour=NEIGHBOUR),
    }
    short = {"short_length": settings.get("short_length", -1), "short_operators": settings.get("short_names", ())}
    expected = draw_two_views(*rows, operators, generator(), distinct=settings.get("distinct", False), **short)
    views = drawer("crop", "mask", "insert", **settings).draw(Rows(*rows, "items"), NEIGHBOUR)
    for view, other in zip(views, expected, strict=True):
        assert torch.equal(view.item_seq, other.item_seq) and torch.equal(view.seq_len, other.seq_len)
        assert view.wanted == "last" and view.places is None


def test_a_draw_goes_on_from_the_last_one() -> None:
    both, rows = drawer("crop", "mask"), Rows(*random_rows())
    assert not torch.equal(both.draw(rows)[0].item_seq, both.draw(rows)[0].item_seq)


def test_neighbours_are_looked_up_anew_in_each_draw() -> None:
    inserting, rows = drawer("insert"), Rows(torch.tensor([[3, 0]]), torch.tensor([1]))
    for neighbour in (NEIGHBOUR, NEIGHBOUR + 1):
        views = inserting.draw(rows, neighbour)
        assert all(view.item_seq.tolist() == [[int(neighbour[3]), 3]] for view in views)


@pytest.mark.parametrize(
    ("names", "fill_id", "neighbours", "holes"),
    [
        (["crop", "mask"], MASK_ID, False, False),
        (["crop", "mask"], 0, False, True),
        (["crop"], 0, False, False),
        (["crop", "insert"], 0, True, False),
    ],
)
def test_what_views_need_and_make(names: list[str], fill_id: int, neighbours: bool, holes: bool) -> None:
    it = drawer(*names, fill_id=fill_id)
    assert it.needs_neighbours == neighbours and it.makes_holes == holes


@pytest.mark.parametrize(
    ("names", "values", "words"),
    [
        (["swap"], {}, "unknown operator 'swap'"),
        (["crop"], {}, "crop needs a value for 'ratio'"),
        (["crop"], {"crop": {"ratio": 0.5, "share": 1}}, "crop has an entry 'share'"),
    ],
)
def test_what_cannot_be_drawn_is_refused_at_once(names: list[str], values: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        drawer(*names, values=values)


@pytest.mark.parametrize(
    ("names", "settings", "words"),
    [
        (["crop"], {"distinct": True}, "distinct_operators = True: operators = ..crop.. has no two"),
        (["crop", "mask"], {"short_length": 4, "short_names": ["insert"]}, "short_operators: ..insert.. are not among"),
        (
            ["crop", "mask"],
            {"distinct": True, "short_length": 4, "short_names": ["mask"]},
            "short_operators = ..mask.. has no two",
        ),
    ],
)
def test_sets_from_which_nothing_can_be_drawn_are_refused(
    names: list[str], settings: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        drawer(*names, **settings)
