"""The protocols' names are those that settings and stored results have."""

from __future__ import annotations

from typing import get_args

from recbole_cl.config.common import EvaluationKeys
from recbole_cl.evaluation.protocol import PROTOCOLS


def test_names_are_those_of_stored_results() -> None:
    assert {protocol.name: protocol.setting for protocol in PROTOCOLS} == {
        "history_kept": "keep",
        "history_removed": "remove",
    }


def test_eval_history_takes_each_protocol_and_nothing_else() -> None:
    kind = EvaluationKeys.model_fields["eval_history"].annotation
    assert get_args(kind) == tuple(protocol.setting for protocol in PROTOCOLS)
