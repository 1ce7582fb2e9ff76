"""The description of what a run ran on."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from recbole_cl.runs.environment import commit_of


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "kept.py").write_text("1\n")
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    for arguments in (("init", "-q"), ("add", "kept.py"), (*who, "commit", "-qm", "first")):
        subprocess.run(["git", *arguments], cwd=tmp_path, check=True)
    return tmp_path


def test_the_commit_is_that_of_the_checkout_and_changes_show(repository: Path) -> None:
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=repository, capture_output=True, text=True, check=True)
    assert commit_of(repository / "kept.py") == head.stdout[:12]
    (repository / "kept.py").write_text("2\n")
    assert commit_of(repository / "kept.py") == head.stdout[:12] + "-dirty"


def test_a_file_that_git_does_not_keep_has_no_commit(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (repository / "installed.py").write_text("1\n")
    assert commit_of(repository / "installed.py") is None
    monkeypatch.setenv("PATH", str(repository))  # no git there
    assert commit_of(repository / "kept.py") is None
