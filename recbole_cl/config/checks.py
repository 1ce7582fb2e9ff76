"""What a setting may be, said once: a check refuses a bad value and names the remedy, in one line."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

from recbole_cl.errors import UsageError
from recbole_cl.registry import Registry, is_path


class Check(ABC):
    """The values that a setting may take: a test, and the words that tell a user what passes it."""

    @property
    @abstractmethod
    def expected(self) -> str:
        """What passes, as the end of "expected ..."."""

    @abstractmethod
    def accepts(self, value: object) -> bool:
        """Tells whether a value passes."""

    def check(self, key: str, value: object) -> None:
        """Refuses a bad value.

        Args:
            key: Name of the setting, for the message.
            value: What it was set to.

        Raises:
            UsageError: If the value does not pass.
        """
        if not self.accepts(value):
            raise UsageError(f"{key} = {_shown(value)}: expected {self.expected}")


@dataclass(frozen=True)
class Number(Check):
    """A finite real number in an interval; neither a truth value nor text.

    Args:
        low: Lower end, None for no limit.
        high: Upper end, None for no limit.
        open_low: Whether the lower end itself is refused.
        open_high: Whether the upper end itself is refused.
    """

    low: float | None = None
    high: float | None = None
    open_low: bool = False
    open_high: bool = False

    @property
    def expected(self) -> str:
        return f"a number{_interval(self.low, self.high, self.open_low, self.open_high)}"

    def accepts(self, value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, Real):  # not float, so that numpy's numbers pass
            return False
        number: Any = value
        if not -_INF < number < _INF:  # nan, too
            return False
        above = self.low is None or (number > self.low if self.open_low else number >= self.low)
        below = self.high is None or (number < self.high if self.open_high else number <= self.high)
        return above and below


@dataclass(frozen=True)
class Integer(Check):
    """A whole number in a closed interval; neither a truth value, nor text, nor a float.

    Args:
        low: Lower end, None for no limit.
        high: Upper end, None for no limit.
    """

    low: int | None = None
    high: int | None = None

    @property
    def expected(self) -> str:
        return f"an integer{_interval(self.low, self.high)}"

    def accepts(self, value: object) -> bool:
        return isinstance(value, Integral) and Number(self.low, self.high).accepts(value)


@dataclass(frozen=True)
class Flag(Check):
    """True or False, and nothing that merely looks like it."""

    @property
    def expected(self) -> str:
        return "True or False"

    def accepts(self, value: object) -> bool:
        return isinstance(value, bool)


class Choice(Check):
    """One of a few values.

    Args:
        *choices: The values; 1 does not stand for True.
        ignore_case: Whether text passes in any case.
    """

    def __init__(self, *choices: object, ignore_case: bool = False) -> None:
        self.choices = choices
        self.ignore_case = ignore_case

    @property
    def expected(self) -> str:
        return f"{'one of ' if len(self.choices) > 1 else ''}{', '.join(map(str, self.choices))}"

    def accepts(self, value: object) -> bool:
        return any(type(value) is type(choice) and self._fold(value) == self._fold(choice) for choice in self.choices)

    def _fold(self, value: object) -> object:
        return value.lower() if self.ignore_case and isinstance(value, str) else value


@dataclass(frozen=True)
class Text(Check):
    """Text.

    Args:
        empty: Whether the empty text passes.
    """

    empty: bool = False

    @property
    def expected(self) -> str:
        return "text" if self.empty else "text that is not empty"

    def accepts(self, value: object) -> bool:
        return isinstance(value, str) and (self.empty or bool(value.strip()))


@dataclass(frozen=True)
class Pattern(Check):
    """Text of a certain form.

    Args:
        regex: Regular expression that the whole text must match.
        says: What it means, as the end of "expected ...".
    """

    regex: str
    says: str

    @property
    def expected(self) -> str:
        return self.says

    def accepts(self, value: object) -> bool:
        return isinstance(value, str) and re.fullmatch(self.regex, value) is not None


@dataclass(frozen=True)
class Named(Check):
    """A name out of a registry, or the dotted path of something that is importable.

    Args:
        registry: The registry.
    """

    registry: Registry[Any]

    @property
    def expected(self) -> str:
        return f"one of {', '.join(self.registry.names())}, or a dotted path such as my_package.my_module.Name"

    def accepts(self, value: object) -> bool:
        return isinstance(value, str) and (value in self.registry.names() or is_path(value))


@dataclass(frozen=True)
class Encoding(Check):
    """Name of a text encoding that Python has."""

    @property
    def expected(self) -> str:
        return "the name of a text encoding, such as utf-8 or latin-1"

    def accepts(self, value: object) -> bool:
        try:
            return isinstance(value, str) and "".encode(value) is not None
        except (LookupError, ValueError):
            return False


@dataclass(frozen=True)
class ListOf(Check):
    """A list whose every element passes a check.

    Args:
        element: The check.
        min_length: Fewest elements.
        distinct: Whether no element may stand there twice.
    """

    element: Check
    min_length: int = 1
    distinct: bool = False

    @property
    def expected(self) -> str:
        length = f" of at least {self.min_length}" if self.min_length else ""
        return f"a list{length}, each {self.element.expected}{', none twice' if self.distinct else ''}"

    def accepts(self, value: object) -> bool:
        if not isinstance(value, list | tuple) or len(value) < self.min_length:
            return False
        repeated = self.distinct and any(item in value[:i] for i, item in enumerate(value))
        return not repeated and all(map(self.element.accepts, value))


@dataclass(frozen=True)
class Table(Check):
    """A mapping from text to values.

    Args:
        fields: Key -> check of its value; None lets every key and value pass.
        required: The keys that must be there.
    """

    fields: Mapping[str, Check] | None = None
    required: tuple[str, ...] = ()

    @property
    def expected(self) -> str:
        if self.fields is None:
            return "a mapping"
        return f"a mapping with {'; '.join(f'{key}: {check.expected}' for key, check in self.fields.items())}"

    def accepts(self, value: object) -> bool:
        if not isinstance(value, Mapping):
            return False
        fields = self.fields
        if any(key not in value for key in self.required):
            return False
        return fields is None or all(key in fields and fields[key].accepts(item) for key, item in value.items())

    def check(self, key: str, value: object) -> None:
        """Refuses a bad value, naming the entry that is wrong."""
        if not isinstance(value, Mapping) or self.fields is None:
            return super().check(key, value)
        for entry, item in value.items():
            if entry not in self.fields:
                space = "; YAML wants a space behind the colon" if ":" in str(entry) else ""
                raise UsageError(f"{key} has an entry {entry!r}: expected {', '.join(self.fields)}{space}")
            self.fields[entry].check(f"{key}.{entry}", item)
        if missing := [entry for entry in self.required if entry not in value]:
            raise UsageError(f"{key} = {value}: {', '.join(missing)} is missing")


class AnyOf(Check):
    """What passes at least one of several checks.

    Args:
        *checks: The checks.
    """

    def __init__(self, *checks: Check) -> None:
        self.checks = checks

    @property
    def expected(self) -> str:
        return ", or ".join(check.expected for check in self.checks)

    def accepts(self, value: object) -> bool:
        return any(check.accepts(value) for check in self.checks)


@dataclass(frozen=True)
class OrNone(Check):
    """What passes a check, or nothing at all (``~`` in YAML).

    Args:
        inner: The check.
    """

    inner: Check

    @property
    def expected(self) -> str:
        return f"{self.inner.expected}, or ~"

    def accepts(self, value: object) -> bool:
        return value is None or self.inner.accepts(value)

    def check(self, key: str, value: object) -> None:
        """Refuses a bad value with the words of the inner check where those are more exact."""
        if value is not None:
            if isinstance(self.inner, Table) and isinstance(value, Mapping):
                return self.inner.check(key, value)
            super().check(key, value)


_INF = float("inf")


def _interval(low: float | None, high: float | None, open_low: bool = False, open_high: bool = False) -> str:
    if low is not None and high is not None:
        return f" in {'(' if open_low else '['}{low}, {high}{')' if open_high else ']'}"
    if low is not None:
        return f" {'>' if open_low else '>='} {low}"
    if high is not None:
        return f" {'<' if open_high else '<='} {high}"
    return ""


def _shown(value: object) -> str:
    """A value in one line of bounded length; text keeps its quotes, so that '3' differs from 3."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
