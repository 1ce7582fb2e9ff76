"""Operators by name in every method that draws views: what their options may be, and correlated items for them."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from recbole_cl.errors import UsageError
from tests.model.build import build_model

METHODS = pytest.mark.parametrize("name", ["CL4SRec", "CoSeRec", "SRMA", "AdaptiveRec"])
AUGMENT: dict[str, dict[str, Any]] = {"AdaptiveRec": {"contrast": "augment"}, "CoSeRec": {"short_length": -1}}


@METHODS
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"crop": 0.5}, "operator_options.*0.5: expected a mapping"),
        ({"delete": {"ratio": 0.2}}, "operator_options has an entry .delete.: expected one of operators, crop, mask"),
        ({"mask": {"fill_id": 3}}, "operator_options.mask has an entry 'fill_id': expected one of ratio, rounding"),
        ({"crop": {"ratio": 0.9}}, "operator_options.crop.ratio: set crop_ratio instead"),
        ({"crop": {"rounding": "nearest"}}, "operators: crop: rounding 'nearest' is unknown"),
        ({"crop": {"rond": "ceil"}}, "operator_options.crop has an entry 'rond'"),
    ],
)
def test_bad_options_of_operators_are_told_when_the_model_is_built(
    name: str, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        build_model(name, operators=["crop", "mask"], operator_options=options, **AUGMENT.get(name, {}))


@METHODS
def test_an_operator_without_a_ratio_names_what_is_missing(name: str) -> None:
    with pytest.raises(UsageError, match=r"operators: delete needs a value for 'ratio'.*operator_options = {delete"):
        build_model(name, operators=["crop", "delete"], **AUGMENT.get(name, {}))


@METHODS
def test_a_correlation_that_never_switches_is_told_in_every_method(name: str, caplog: pytest.LogCaptureFixture) -> None:
    settings: dict[str, Any] = {"operators": ["crop", "substitute"], "epochs": 5, "switch_epoch": 9}
    if name != "CoSeRec":
        settings["operator_options"] = {"substitute": {"ratio": 0.2}}
    with caplog.at_level(logging.WARNING):
        build_model(name, **settings, **AUGMENT.get(name, {}))
    assert "switch_epoch = 9: the correlation stays memory-based for all 5 epochs" in caplog.text
