"""The test of the best setting, if it was stopped before."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from recbole_cl.search import final


def test_a_test_that_was_stopped_in_its_complement_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = tmp_path / "SRMA-cycle-5-20260101-000000"
    (begun / "complement").mkdir(parents=True)
    for name in ("config.yaml", "complement/last.pth"):
        (begun / name).touch()
    monkeypatch.setattr(final, "run", lambda *args, **settings: settings)
    config = {"model": "SRMA", "dataset": "cycle"}
    task: Any = SimpleNamespace(config=config, settings={}, model="SRMA", dataset="cycle", files=())
    (found,) = final.test_best(task, {}, tmp_path, [5])
    assert found == {"config_files": (), "seed": 5, "resume": str(begun)}
