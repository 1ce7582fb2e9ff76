"""What the value of any setting may consist of: plain types, of a size that a person would write."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from recbole_cl.config.common import WITHOUT_EFFECT
from recbole_cl.config.messages import entries_of, may_be_none, shown
from recbole_cl.config.schema import Settings
from recbole_cl.errors import UsageError

LARGEST = 2**63 - 1  # the largest integer that torch, numpy and JSON readers can hold
MOST_ENTRIES = 10_000  # of all lists and mappings within a value
DEEPEST = 16  # nesting depth of lists and mappings
_NO_TEXT = re.compile("[\0\ud800-\udfff]")
LONGEST = 10_000  # characters of a text


def plain(key: str, value: Any) -> Any:
    """Converts tuples, paths and numpy numbers to types that YAML can hold, and refuses other types.

    Args:
        key: Name of the setting, for messages.
        value: Any value.

    Returns:
        The same value in plain types, with new lists and mappings.

    Raises:
        UsageError: If a part has another type, or is larger, longer or deeper than any setting.
    """
    return _Reader(key).read(value, 0)


def is_folder_name(name: str) -> bool:
    """Tells whether a text is the name of a single folder, such as a dataset's, and not a path to another place."""
    return name.isprintable() and name not in ("", ".", "..") and not {"/", "\\"} & {*name}


def without_none_texts(values: dict[str, Any], cls: type[Settings]) -> None:
    """Replaces the text None, which RecBole reads as None, by None in every setting that may be None.

    Args:
        values: Settings; modified in place.
        cls: Class of the settings.
    """
    for key, field in cls.model_fields.items():
        if key in values:
            values[key] = _without_none_text(values[key], field.annotation)
    for key, unread in WITHOUT_EFFECT.items():
        if unread.idle is None and values.get(key) == "None":
            values[key] = None
    negatives = values.get("train_neg_sample_args")
    if isinstance(negatives, Mapping) and negatives.get("distribution") in (None, "none", "None"):
        values["train_neg_sample_args"] = None if "distribution" in negatives else negatives


def _without_none_text(value: Any, kind: Any) -> Any:
    if value == "None" and isinstance(value, str) and may_be_none(kind):
        return None
    entries = entries_of(kind)
    if entries and isinstance(value, Mapping):
        return {key: _without_none_text(it, entries.get(key)) for key, it in value.items()}
    return value


class _Reader:
    """Reads one value, and counts its parts."""

    def __init__(self, key: str) -> None:
        self._key, self._entries = key, 0

    def read(self, value: Any, depth: int) -> Any:
        """Returns the value in plain types."""
        self._entries += 1
        if self._entries > MOST_ENTRIES or depth > DEEPEST:
            what = f"lists and mappings {DEEPEST} deep" if depth > DEEPEST else f"{MOST_ENTRIES} entries"
            raise UsageError(f"{self._key}: holds more than {what}, which no setting does; give a smaller one")
        if isinstance(value, list | tuple):
            return [self.read(item, depth + 1) for item in value]
        if isinstance(value, Mapping):
            return {self._simple(name): self.read(item, depth + 1) for name, item in value.items()}
        return self._simple(value)

    def _simple(self, value: Any) -> Any:
        if isinstance(value, np.generic | Path):
            value = value.item() if isinstance(value, np.generic) else str(value)
        if value is not None and type(value) not in (bool, int, float, str, datetime.date, datetime.datetime):
            what = f"a {type(value).__name__} cannot be written to YAML"
            raise UsageError(f"{self._key} = {shown(value)}: {what}; give numbers, text or lists")
        if type(value) is int and abs(value) > LARGEST:
            raise UsageError(f"{self._key}: a number of {value.bit_length()} bits; expected 63 at most")
        if type(value) is str and len(value) > LONGEST:
            raise UsageError(f"{self._key}: a text of {len(value)} characters; expected {LONGEST} at most")
        if type(value) is str and _NO_TEXT.search(value):
            raise UsageError(
                f"{self._key} = {shown(value)}: not a text: it has a zero byte, or bytes that are not UTF-8"
            )
        return value
