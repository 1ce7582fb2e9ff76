"""Text from outside, such as names in somebody else's files, made safe to display."""

from __future__ import annotations

import re

_NOT_SHOWN = re.compile(r"[^\S\n\t ]|[^\s\w!-~]")  # leaves few characters to check one by one
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def printable(text: str) -> str:
    r"""Escapes characters that a terminal would obey, or cannot show: the escape character becomes ``\x1b``.

    Args:
        text: Any text; its line breaks and tabs stay.
    """
    return _NOT_SHOWN.sub(lambda found: found[0] if found[0].isprintable() else ascii(found[0])[1:-1], text)


def cell(text: str) -> str:
    """Makes a text safe as a cell of a CSV file, so that a spreadsheet reads it as text and not as a formula.

    Args:
        text: Any text.
    """
    return printable(f"'{text}" if text.startswith(_FORMULA) else text)
