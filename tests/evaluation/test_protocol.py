"""The protocols' names are those that settings and stored results have."""

from __future__ import annotations

from typing import get_args

import pytest

from recbole_cl.config.common import EvaluationKeys
from recbole_cl.errors import UsageError
from recbole_cl.evaluation.protocol import PROTOCOLS, protocol_of


def test_names_are_those_of_stored_results() -> None:
    assert {protocol.name: protocol.setting for protocol in PROTOCOLS} == {
        "history_kept": "keep",
        "history_removed": "remove",
    }


def test_eval_history_takes_each_protocol_and_nothing_else() -> None:
    kind = EvaluationKeys.model_fields["eval_history"].annotation
    assert get_args(kind) == tuple(protocol.setting for protocol in PROTOCOLS)
    assert tuple(map(protocol_of, get_args(kind))) == PROTOCOLS
    with pytest.raises(UsageError, match="eval_history = drop: expected keep or remove"):
        protocol_of("drop")
