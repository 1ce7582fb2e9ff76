from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from recbole_cl.suites.plan import Choice
from recbole_cl.suites.schema import Suite
from recbole_cl.testing.toy import TINY, write_cycle

WriteSuite = Callable[..., Path]


@pytest.fixture
def toy(tmp_path: Path) -> Choice:
    """What makes runs of a suite tiny, and leaves them in the test's folder."""
    return Choice(settings=TINY | write_cycle(tmp_path) | {"epochs": 2})


def suite_of(**values: Any) -> Suite:
    """A suite on the made-up dataset."""
    common = {"title": "Toys", "eval_history": "keep", "datasets": ["cycle"], "seeds": [1, 2], "variants": ["SASRec"]}
    return Suite.model_validate(common | values)


def wait_until(reached: Callable[[], bool], seconds: float = 120) -> None:
    """Waits for another process."""
    end = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.02)


@pytest.fixture
def write_suite(tmp_path: Path) -> WriteSuite:
    """Writes the file of such a suite."""

    def write(**values: Any) -> Path:
        common = {"title": "Toys", "eval_history": "keep", "datasets": ["cycle"], "seeds": [1], "variants": ["SASRec"]}
        path = tmp_path / "toys.yaml"
        path.write_text(yaml.safe_dump(common | values), encoding="utf-8")
        return path

    return write
