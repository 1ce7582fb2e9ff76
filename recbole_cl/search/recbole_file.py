"""Ranges in the format of RecBole 1.2.1's ``run_hyper.py``: each line has a setting, a kind, and its numbers."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from recbole_cl.errors import UsageError
from recbole_cl.search.ranges import Range, interval, range_of


def read_recbole_ranges(file: Path) -> dict[str, Range]:
    """Reads such a file. No expression is evaluated: ``choice`` takes a list of plain values.

    Args:
        file: Lines such as ``learning_rate loguniform -8,0``, where, as in hyperopt, the numbers are the natural
            logarithms of the limits; ``n_layers quniform 1,4,1``, the multiples of the third number;
            ``hidden_dropout_prob uniform 0.1,0.5``; ``temperature choice [0.5, 1.0]``; with lists as text,
            ``mlp_hidden_size choice ['[64, 32]', '[128]']``. Empty lines and comments that begin with # are skipped.

    Returns:
        Setting -> range.

    Raises:
        UsageError: If it cannot be read, or at the first line that does not have this form.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file}: cannot be read ({getattr(error, 'strerror', None) or error})") from error
    found: dict[str, Range] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        place = f"{file}, line {number}"
        key, kind, text = (*line.split(maxsplit=2), "", "")[:3]
        if kind not in _KINDS:
            raise UsageError(f"{place}: {line.strip()!r} is not of the form `setting {'|'.join(_KINDS)} values`")
        if key in found:
            raise UsageError(f"{place}: {key} has a range already: give it one")
        found[key] = _KINDS[kind](f"{place}: {key}", text)
    return found


def _choice(key: str, text: str) -> Range:
    try:
        values = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        values = None
    if not isinstance(values, list | tuple):
        raise UsageError(f"{key} choice {text}: expected a list of plain values such as [0.1, 0.5]")
    return range_of(key, [_read(value) for value in values])


def _read(value: Any) -> Any:
    """A choice as RecBole reads it: hyperopt takes lists only as text, such as '[64, 32]'."""
    try:
        return ast.literal_eval(value) if isinstance(value, str) else value
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return value


def _uniform(key: str, text: str) -> Range:
    low, high = _numbers(key, text, 2)
    return interval(key, low, high)


def _loguniform(key: str, text: str) -> Range:
    low, high = _numbers(key, text, 2)
    if high > math.log(1e300):
        raise UsageError(
            f"{key} loguniform {text}: these are natural logarithms of the limits; e^{high:g} is too large"
        )
    return interval(key, math.exp(low), math.exp(high), log=True)


def _quniform(key: str, text: str) -> Range:
    low, high, step = _numbers(key, text, 3)
    if step <= 0:
        raise UsageError(f"{key} quniform {text}: expected a third number > 0")
    low, high = (round(it / step) * step for it in (low, high))
    if all(it == int(it) for it in (low, high, step)):
        low, high, step = int(low), int(high), int(step)
    return interval(key, low, high, step=step)


def _numbers(key: str, text: str, count: int) -> list[float]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != count or not all(map(math.isfinite, numbers)):
        raise UsageError(f"{key} {text}: expected {count} numbers between commas")
    return numbers


_KINDS: dict[str, Callable[[str, str], Any]] = {
    "choice": _choice,
    "uniform": _uniform,
    "quniform": _quniform,
    "loguniform": _loguniform,
}
