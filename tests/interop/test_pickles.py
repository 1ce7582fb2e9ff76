"""Pickles of protocol 4 as protocol 2, by what comes out of both."""

from __future__ import annotations

import pickle
import pickletools
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest
from recbole.utils import ModelType

from recbole_cl.errors import UsageError
from recbole_cl.interop.pickles import as_protocol_2

LONG = "x" * 300
VALUES = [
    {"a": [1, -2, 2**40, 0.5, None, True], "b": ("t", (1, 2, 3, 4)), "c": {"a": "a", "d": ["a", "a"]}},
    [LONG, LONG, {LONG: LONG}],
    [np.float64(0.25), np.float64(0.75), b"", b"\x00\xff"],
    OrderedDict(model=ModelType.SEQUENTIAL, again=ModelType.SEQUENTIAL, text="été \ud800"),
    [[str(i), str(i % 7)] for i in range(600)],  # more than a byte counts
]


@pytest.mark.parametrize("protocol", [2, 3, 4])
@pytest.mark.parametrize("value", VALUES)
def test_the_value_is_the_same(value: Any, protocol: int) -> None:
    written, _ = as_protocol_2(pickle.dumps(value, protocol))
    assert written[:2] == b"\x80\x02" and max(code.proto for code, _, _ in pickletools.genops(written)) <= 2
    assert pickle.loads(written) == value


def test_imports_are_named_and_not_made() -> None:
    class_and_call = b"\x80\x04\x8c\x0bno_such_one\x94\x8c\x01f\x94\x93\x94)R."
    assert as_protocol_2(class_and_call) == (b"\x80\x02cno_such_one\nf\nr\x02\x00\x00\x00)R.", {"no_such_one.f"})


@pytest.mark.parametrize("damaged", [b"", b"\x80\x04.", b"\x80\x04\x8c\xff", b"\x80\x04K\x01K\x02\x93.", b"PK"])
def test_what_is_no_pickle_of_a_pickler_is_refused_or_imports_nothing(damaged: bytes) -> None:
    try:
        assert as_protocol_2(damaged)[1] == set()
    except UsageError as error:
        assert str(error)
