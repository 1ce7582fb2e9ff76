"""Text from elsewhere, such as names in files of somebody else's, made harmless where it is shown."""

from __future__ import annotations

import re

_NOT_SHOWN = re.compile(r"[^\S\n\t ]|[^\s\w!-~]")  # few characters are left to look at one by one
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def printable(text: str) -> str:
    r"""A text with what a terminal would obey, or cannot show, written out: the escape character becomes ``\x1b``.

    Args:
        text: Any text; its lines and tabs stay.
    """
    return _NOT_SHOWN.sub(lambda found: found[0] if found[0].isprintable() else ascii(found[0])[1:-1], text)


def cell(text: str) -> str:
    """A text as a cell of a CSV file, which a spreadsheet reads as text and not as a formula.

    Args:
        text: Any text.
    """
    return printable(f"'{text}" if text.startswith(_FORMULA) else text)
