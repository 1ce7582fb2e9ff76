"""What checks accept, and what they say."""

from __future__ import annotations

import math

import numpy as np
import pytest

from recbole_cl.config.checks import AnyOf, Check, Choice, Flag, Integer, ListOf, Number, OrNone, Pattern, Table, Text
from recbole_cl.errors import UsageError

RATE = Number(low=0, high=1, open_high=True)
WEIGHT = Number(low=0, open_low=True)
SPLIT = Table({"order": Choice("TO"), "ratio": RATE})


@pytest.mark.parametrize(
    ("check", "value"),
    [
        (RATE, 0),
        (RATE, 0.999),
        (RATE, np.float32(0.5)),
        (WEIGHT, 1e-12),
        (WEIGHT, 10**400),
        (Number(), -3),
        (Integer(low=1), 1),
        (Integer(low=1, high=3), np.int64(3)),
        (Flag(), False),
        (Choice("dot", "cosine"), "dot"),
        (Choice("auto", True, False), False),
        (Choice("INFO", ignore_case=True), "info"),
        (Text(), "a"),
        (Text(empty=True), ""),
        (Pattern(r"uni\d+", "uniN"), "uni100"),
        (ListOf(Integer(low=1)), [5, 10]),
        (ListOf(Text()), ("a",)),
        (ListOf(Text(), min_length=0), []),
        (ListOf(Text(), distinct=True), ["a", "b"]),
        (AnyOf(Integer(), Text()), "x"),
        (OrNone(Flag()), None),
        (OrNone(Flag()), True),
        (Table(), {"anything": object()}),
        (SPLIT, {"order": "TO"}),
    ],
)
def test_a_good_value_passes(check: Check, value: object) -> None:
    check.check("key", value)
    assert check.accepts(value)


@pytest.mark.parametrize(
    ("check", "value", "message"),
    [
        (RATE, 1, "key = 1: expected a number in [0, 1)"),
        (RATE, -0.1, "key = -0.1: expected a number in [0, 1)"),
        (RATE, True, "key = True: expected a number in [0, 1)"),
        (RATE, "0.5", "key = '0.5': expected a number in [0, 1)"),
        (RATE, None, "key = None: expected a number in [0, 1)"),
        (WEIGHT, 0, "key = 0: expected a number > 0"),
        (WEIGHT, math.nan, "key = nan: expected a number > 0"),
        (WEIGHT, math.inf, "key = inf: expected a number > 0"),
        (Number(high=2, open_high=True), 2, "key = 2: expected a number < 2"),
        (Number(low=-1, high=1, open_low=True), -1, "key = -1: expected a number in (-1, 1]"),
        (Integer(low=1), 0, "key = 0: expected an integer >= 1"),
        (Integer(low=1), 2.0, "key = 2.0: expected an integer >= 1"),
        (Integer(low=1), True, "key = True: expected an integer >= 1"),
        (Integer(high=1), 2, "key = 2: expected an integer <= 1"),
        (Flag(), 1, "key = 1: expected True or False"),
        (Flag(), "yes", "key = 'yes': expected True or False"),
        (Choice("dot", "cosine"), "DOT", "key = 'DOT': expected one of dot, cosine"),
        (Choice("auto", True, False), 1, "key = 1: expected one of auto, True, False"),
        (Text(), " ", "key = ' ': expected text that is not empty"),
        (Pattern(r"uni\d+", "uniN"), "uni1x", "key = 'uni1x': expected uniN"),
        (ListOf(Integer(low=1)), [5, 0], "key = [5, 0]: expected a list of at least 1, each an integer >= 1"),
        (ListOf(Integer(low=1)), [], "key = []: expected a list of at least 1, each an integer >= 1"),
        (ListOf(Text()), "ab", "key = 'ab': expected a list of at least 1, each text that is not empty"),
        (
            ListOf(Text(), distinct=True),
            ["a", "b", "a"],
            "key = ['a', 'b', 'a']: expected a list of at least 1, each text that is not empty, none twice",
        ),
        (AnyOf(Integer(low=1), Flag()), 0, "key = 0: expected an integer >= 1, or True or False"),
        (OrNone(Integer(low=1)), 0, "key = 0: expected an integer >= 1, or ~"),
        (OrNone(SPLIT), {"ratio": 2}, "key.ratio = 2: expected a number in [0, 1)"),
        (SPLIT, {"order": "RO"}, "key.order = 'RO': expected TO"),
        (SPLIT, {"oder": "TO"}, "key has an entry 'oder': expected order, ratio"),
        (SPLIT, 3, "key = 3: expected a mapping with order: TO; ratio: a number in [0, 1)"),
        (
            SPLIT,
            {"order:TO": None},
            "key has an entry 'order:TO': expected order, ratio; YAML wants a space behind the colon",
        ),
        (Table({"a": RATE, "b": RATE}, ("a",)), {"b": 0.5}, "key = {'b': 0.5}: a is missing"),
        (Table(), [], "key = []: expected a mapping"),
    ],
)
def test_a_bad_value_is_refused_in_one_line_with_the_remedy(check: Check, value: object, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        check.check("key", value)
    assert str(caught.value) == message
    assert not check.accepts(value)


def test_a_long_value_is_cut_short() -> None:
    with pytest.raises(UsageError) as caught:
        Flag().check("key", "x" * 1000)
    assert len(str(caught.value)) < 120
