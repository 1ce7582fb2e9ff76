"""Studies: which settings may resume one, and what becomes of a database that fails."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import OperationalError

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


def test_a_database_that_fails_is_told_in_one_line(tmp_path: Path) -> None:
    reason = OperationalError("INSERT INTO trials", {}, sqlite3.OperationalError("database or disk is full"))
    words = f"the study in {tmp_path} can't be read or written: database or disk is full; mend that, and the same"
    for raised, cause in ((StorageInternalError("An exception is raised during the commit."), reason), (reason, None)):
        with pytest.raises(UsageError, match=words), study.told_when_storage_fails(tmp_path):
            raise raised from cause
