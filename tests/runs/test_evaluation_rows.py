"""The rows that a run validates and tests on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from recbole_cl.runs.build import build_config, build_data
from recbole_cl.runs.evaluation_rows import build_evaluation_rows, rows_among_all
from recbole_cl.testing.toy import write_cycle


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Any]:
    return {"use_gpu": False} | write_cycle(tmp_path)


def test_noise_is_shown_in_the_test_alone_and_leaves_the_protocol_as_it_is(settings: dict[str, Any]) -> None:
    clean, noisy = (build_config("SASRec", "cycle", (), settings | {"test_noise_share": it}) for it in (0.0, 0.5))
    _, (_, valid, test) = build_data(noisy)
    one, other = (build_evaluation_rows(config, test, "test") for config in (clean, noisy))
    assert len(other.shown.items) > len(one.shown.items) and torch.equal(other.shown.target, one.rows.target)
    back = torch.argsort(other.order)[one.order]  # in the same order of rows
    assert torch.equal(other.removed[back], one.removed) and torch.equal(other.rows.items, one.rows.items)
    assert len(build_evaluation_rows(noisy, valid, "validation").shown.items) == len(one.rows.items)
    assert len(rows_among_all(clean, test, "test", 0.5).shown.items) == len(other.shown.items)
