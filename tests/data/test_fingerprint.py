"""Hashes of what ids and rows mean: equal for the same data, others as soon as what they stand for differs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recbole_cl.data.fingerprint import interaction_fingerprint, item_fingerprint, target_fingerprint
from recbole_cl.runs.build import build_data
from tests.trainer.parts import config_of


def fingerprints(folder: Path, change: Callable[[list[str]], list[str]] = list, **settings: Any) -> list[str]:
    """Those of items, of interactions, and of the test part's targets, after a change of the file's lines."""
    config = config_of(folder, **settings)
    file = folder / "cycle" / "cycle.inter"
    header, *lines = file.read_text().splitlines()
    file.write_text("\n".join([header, *change(lines)]) + "\n")
    dataset, (train, _, test) = build_data(config)
    assert item_fingerprint(train) == item_fingerprint(dataset)
    return [item_fingerprint(dataset), interaction_fingerprint(train), target_fingerprint(test)]


def swapped(lines: list[str], *places: int) -> list[str]:
    """The items of two interactions change places."""
    rows = [line.split("\t") for line in lines]
    a, b = places
    rows[a][1], rows[b][1] = rows[b][1], rows[a][1]
    return ["\t".join(row) for row in rows]


def renamed(lines: list[str]) -> list[str]:
    return [line.replace("\ti0\t", "\tz0\t") for line in lines]


# The first user has five interactions; of its items, the first two are for training only, the last is its test target.
@pytest.mark.parametrize(
    ("change", "same"),
    [
        (list, [True, True, True]),
        (renamed, [False, False, False]),
        (lambda lines: swapped(lines, 1, 2), [False, False, True]),
        (lambda lines: swapped(lines, 3, 4), [False, False, False]),
    ],
)
def test_a_change_is_noticed(change: Callable[[list[str]], list[str]], same: list[bool], tmp_path: Path) -> None:
    before, after = fingerprints(tmp_path / "a"), fingerprints(tmp_path / "b", change)
    assert [one == other for one, other in zip(before, after, strict=True)] == same


def test_settings_that_change_no_interaction_change_nothing(tmp_path: Path) -> None:
    assert fingerprints(tmp_path / "a") == fingerprints(tmp_path / "b", MAX_ITEM_LIST_LENGTH=3, seed=9)
