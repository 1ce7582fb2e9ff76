"""Which runs are one experiment."""

from __future__ import annotations

import pytest

from recbole_cl.config.identity import digest


@pytest.mark.parametrize(
    ("settings", "matters"),
    [
        ({"train_form": "sequence", "anchors_per_row": 1}, True),
        ({"train_form": "sequence", "anchors_per_row": 0}, False),
        ({"train_form": "prefix", "anchors_per_row": 1}, False),
    ],
)
def test_how_anchors_are_drawn_matters_where_some_are(settings: dict[str, object], matters: bool) -> None:
    per_row, per_target = (digest(settings | {"anchor_draw": draw}) for draw in ("per_row", "per_target"))
    assert (per_row != per_target) == matters
    assert digest(settings) == per_row, "a run of before the setting had that draw"


def test_a_setting_that_only_says_where_and_how_fast_is_no_other_experiment() -> None:
    assert digest({"seed": 1, "data_path": "here", "eval_batch_size": 8}) == digest({"seed": 1})
    assert digest({"seed": 1}) != digest({"seed": 2})
