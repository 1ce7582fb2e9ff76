"""``python -m recbole_cl.testing``: what it refuses; tests/testing/test_outside.py has it run."""

from __future__ import annotations

import sys

import pytest

from recbole_cl.testing import __main__ as testing


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("GRU4Rec", "model GRU4Rec: the contract is that of classes that extend EncoderRecommender"),
        ("gone.Method", "model gone.Method: there is no module gone, neither installed nor in"),
    ],
)
def test_what_has_no_contract_is_refused_in_one_line(
    model: str, words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    assert testing.main([model]) == 2
    assert capsys.readouterr().err.startswith(f"python -m recbole_cl.testing: error: {words}")


def test_pytest_is_asked_for(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pytest", None)  # as if it were not installed
    assert testing.main(["SASRec"]) == 2
    assert "the contract tests need pytest: pip install pytest" in capsys.readouterr().err
