"""Which settings a search may vary, and over which values; checked before any training."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from pydantic import TypeAdapter, ValidationError
from typing_extensions import Required, TypedDict

from recbole_cl.config.common import DECIDES_TARGETS, CommonSettings
from recbole_cl.config.messages import refuse_bad, shown
from recbole_cl.config.recboles import recboles_settings
from recbole_cl.config.schema import table
from recbole_cl.config.settings import settings_class
from recbole_cl.config.values import plain
from recbole_cl.errors import UsageError

_NOT_SEARCHED = (
    *("model", "dataset", "seed", "resume", "checkpoint_dir", "data_path"),
    *("valid_metric", "eval_history", "train_on"),
    *DECIDES_TARGETS,
)


@table
class _Numbers(TypedDict, total=False):
    low: Required[int | float]
    high: Required[int | float]
    log: bool
    step: int | float


_NUMBERS = TypeAdapter(_Numbers)


@dataclass(frozen=True)
class Choice:
    """One of a few values, which have no order.

    Attributes:
        values: At least one, without duplicates; for settings that are chosen together, one list each.
    """

    values: tuple[Any, ...]


@dataclass(frozen=True)
class Interval:
    """A number between two others.

    Attributes:
        low: The lowest value.
        high: The highest value, included. If both are integers, so are all values between them.
        log: Whether values are drawn uniformly on a log scale; then low is above 0, and there is no step.
        step: Distance between the values, counted from low; None for any value in between (for integers: 1).
    """

    low: float
    high: float
    log: bool = False
    step: float | None = None


Range = Choice | Interval


def keys_of(name: str) -> list[str]:
    """The settings of a range: one, or several separated by commas, which are chosen together."""
    return [key.strip() for key in name.split(",")]


def searched(ranges: Mapping[str, Range]) -> list[str]:
    """All settings that have ranges."""
    return [key for name in ranges for key in keys_of(name)]


def values_by_key(name: str, value: Any) -> dict[str, Any]:
    """The settings that a value of a range stands for."""
    keys = keys_of(name)
    return dict(zip(keys, value, strict=True)) if len(keys) > 1 else {name: value}


def limits(name: str, its: Range) -> Iterator[tuple[str, Any]]:
    """Each setting of a range, with the values that determine whether all values are allowed."""
    for value in its.values if isinstance(its, Choice) else (its.low, its.high):
        yield from values_by_key(name, value).items()


def range_of(key: str, value: Any) -> Range:
    """Reads a range from its YAML form.

    Args:
        key: The setting, for messages.
        value: A list, or a mapping with ``low`` and ``high``.

    Raises:
        UsageError: If it is not a range.
    """
    value = plain(key, value)
    if isinstance(value, list):
        texts = [json.dumps(it, sort_keys=True, default=str) for it in value]
        if not value or len(set(texts)) < len(texts):
            raise UsageError(f"{key} = {shown(value)}: expected at least one choice, none twice")
        return Choice(tuple(value))
    try:
        numbers = _NUMBERS.validate_python(value)
    except ValidationError:
        raise UsageError(
            f"{key} = {shown(value)}: expected a list of choices, or {{low: NUMBER, high: NUMBER}} with log: True or "
            "step: NUMBER"
        ) from None
    return interval(key, **numbers)


def interval(key: str, low: float, high: float, log: bool = False, step: float | None = None) -> Interval:
    """Makes a valid interval.

    Raises:
        UsageError: If it is empty, has both a step and a log scale, or a log scale with values that are not above 0.
    """
    what = f"{key}: low {low}, high {high}"
    if not low < high:
        raise UsageError(f"{what}: expected low < high; set a value that is not searched by --{key.split()[-1]}=VALUE")
    if log and (low <= 0 or step is not None):
        raise UsageError(f"{what}: log needs low > 0, and no step")
    if step is not None and not 0 < step <= high - low:
        raise UsageError(f"{what}: expected 0 < step <= high - low, not {step}")
    whole = all(isinstance(it, int) for it in (low, high, step or 1))
    return Interval(low, high, log, step) if whole else Interval(float(low), float(high), log, step)


def fitted(ranges: Mapping[str, Range], model_class: type, source: str) -> dict[str, Range]:
    """Ranges whose values are all allowed for their settings.

    Args:
        ranges: Ranges by setting; unknown settings are passed on unchanged.
        model_class: The model.
        source: Origin of the ranges, for messages.

    Returns:
        The same ranges; for settings that may be any number, with limits of type float.

    Raises:
        UsageError: The message names the setting, the value that is not allowed, and the allowed values.
    """
    found: dict[str, Range] = {}
    own, others = settings_class(model_class), (CommonSettings, recboles_settings(model_class))

    def refuse(key: str, value: Any) -> None:
        for cls in (own,) if key in own.model_fields else others:
            refuse_bad(cls, {key: value})

    for name, its in ranges.items():
        for key, value in limits(name, its):
            if key in _NOT_SEARCHED:
                raise UsageError(f"{source}: {key} can't be searched: trials under different ones are not comparable")
            try:
                refuse(key, value)
            except UsageError as error:
                raise UsageError(f"{source}: {error}") from None
        if isinstance(its, Interval):
            with suppress(UsageError):  # raised by a setting that must be an integer
                refuse(name, its.low + (its.high - its.low) / math.pi)
                its = replace(its, low=float(its.low), high=float(its.high))
        found[name] = its
    return found
