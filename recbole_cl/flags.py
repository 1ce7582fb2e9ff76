"""Flags of the command line, ``--KEY=VALUE`` or ``--KEY VALUE``; a setting may have any name."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from recbole_cl.errors import UsageError


def split_flags(argv: Sequence[str], flags: Collection[str]) -> tuple[list[str], dict[str, str]]:
    """Separates a command's own flags from settings, which may have any name.

    Args:
        argv: The arguments after the command.
        flags: The command's own flags, which take a value.

    Returns:
        Arguments for the parser, and the text of each setting.

    Raises:
        UsageError: If a flag has no value, an empty one, or two.
    """
    own: list[str] = []
    settings: dict[str, str] = {}
    tokens = iter(argv)
    for token in tokens:
        name, equals, text = token.partition("=")
        if name in flags:
            own.append(f"{name}={text if equals else _value_after(name, tokens)}")
            _refuse_empty(name, own[-1].partition("=")[2])
        elif name.startswith("--") and name not in ("--", "--help"):
            value = text if equals else _value_after(name, tokens)
            _refuse_empty(name, value)
            refuse_second(name, settings.get(name[2:]), value)
            settings[name[2:]] = value
        else:
            own.append(token)
    return own, settings


def _value_after(name: str, tokens: Iterator[str]) -> str:
    value = next(tokens, "--")
    if value.startswith("--"):
        raise UsageError(f"{name} has no value: write {name}=VALUE, for a switch {name}=True")
    return value


def _refuse_empty(name: str, value: str) -> None:
    """Refuses an empty value, as in ``--resume=$RUN`` with an unset shell variable: it would start a new run."""
    if not value.strip() and name != "--gpu_id":  # which means the CPU then, as CUDA_VISIBLE_DEVICES does
        raise UsageError(
            f"{name} is empty: give it a value (~ for none), or leave it out; is a shell variable not set?"
        )


def refuse_second(name: str, first: str | None, second: str) -> None:
    """Refuses a flag with two values.

    Raises:
        UsageError: If there was a first value that differs.
    """
    if first is not None and first != second:
        raise UsageError(f"{name} is given twice, as {first} and as {second}: give it once")


def parse_value(text: str) -> Any:
    """Reads a value as YAML; text that is not valid YAML, such as the interval [5,inf), stays text."""
    from recbole_cl.config.presets import BadYAML, parse_yaml

    try:
        return parse_yaml(text)
    except BadYAML:
        return text
