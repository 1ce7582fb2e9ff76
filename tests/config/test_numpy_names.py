"""Names that numpy has removed are there for RecBole, and nothing else changes."""

from __future__ import annotations

import types

import numpy as np
import pytest

from recbole_cl.config import numpy_names
from recbole_cl.config.config import Config


def test_numpy_gets_the_missing_names_only(monkeypatch: pytest.MonkeyPatch) -> None:
    class OldNames(types.ModuleType):
        """As numpy, which warns or fails where one of its former names is asked for."""

        def __getattr__(self, name: str) -> None:
            raise AssertionError(f"{name} was looked up")

    fresh = OldNames("numpy")
    fresh.long, fresh.ndarray = int, np.ndarray  # type: ignore[attr-defined]  # numpy 2 has the first again
    monkeypatch.setattr(numpy_names, "np", fresh)
    Config.compatibility_settings(Config.__new__(Config))
    assert (fresh.long, fresh.ndarray) == (int, np.ndarray)
    assert np.zeros(1, fresh.float).dtype == "float64" and np.zeros(1, fresh.bool).dtype == bool
    assert {"int", "object", "str", "unicode", "complex"} <= vars(fresh).keys()
