"""Text from elsewhere."""

from __future__ import annotations

import pytest

from recbole_cl.text import cell, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Kühlschrank 冷蔵庫 é 🎵 a-b_c\n\tx", "Kühlschrank 冷蔵庫 é 🎵 a-b_c\n\tx"),
        ("\x1b]0;title\x07\r\x00\x9b", r"\x1b]0;title\x07\r\x00\x9b"),
        ("a\u202eb\u2028c\udcff", r"a\u202eb\u2028c\udcff"),
    ],
)
def test_what_a_terminal_would_obey_is_written_out(text: str, shown: str) -> None:
    assert printable(text) == shown
    (shown.encode())


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_formula_becomes_text(text: str) -> None:
    assert cell(text).startswith("'") and cell("DuoRec [temperature=1]") == "DuoRec [temperature=1]"
