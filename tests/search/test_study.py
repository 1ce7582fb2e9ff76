"""Studies: which settings may resume one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import pytest

from recbole_cl.errors import UsageError
from recbole_cl.search import study


def test_a_study_of_an_earlier_version_resumes(tmp_path: Path) -> None:
    def opened(**settings: Any) -> None:
        study.open_study("old", storage, tmp_path, settings, maximize=True)

    storage = optuna.storages.InMemoryStorage()
    opened(epochs=2, right_aligned=True)
    opened(
        epochs=2, right_aligned=True, history_penalty=False, label_smoothing=0.0
    )  # as if there were no such settings
    with pytest.raises(UsageError, match="began with history_penalty = false, and here it is true"):
        opened(epochs=2, right_aligned=True, history_penalty=True)
    with pytest.raises(UsageError, match="began with right_aligned = true, and here it is nothing"):
        opened(epochs=2)
