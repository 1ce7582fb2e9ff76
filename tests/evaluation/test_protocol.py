"""The protocols' names are those that settings and stored results have."""

from __future__ import annotations

from recbole_cl.config.checks import Choice
from recbole_cl.config.settings import CHECKS
from recbole_cl.evaluation.protocol import PROTOCOLS


def test_names_are_those_of_stored_results() -> None:
    assert {protocol.name: protocol.setting for protocol in PROTOCOLS} == {
        "history_kept": "keep",
        "history_removed": "remove",
    }


def test_eval_history_takes_each_protocol_and_nothing_else() -> None:
    check = CHECKS["eval_history"]
    assert isinstance(check, Choice) and check.choices == tuple(protocol.setting for protocol in PROTOCOLS)
