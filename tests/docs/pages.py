"""The pages of the documentation, as blocks and commands."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
_BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`(recbole-cl\s[^`]+)`")


class Block(NamedTuple):
    """A fenced block.

    Attributes:
        page: Its page.
        line: Its first line.
        language: What the fence says.
        text: What is in it.
        follows: The text of the block of output right after it, or nothing.
    """

    page: Path
    line: int
    language: str
    text: str
    follows: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(*languages: str) -> list[Block]:
    """All fenced blocks of some languages, of all pages."""
    return [block for page in PAGES for block in blocks_of(page) if block.language in languages]


def blocks_of(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    found = list(_BLOCK.finditer(text))
    for it, after in zip(found, [*found, None][1:], strict=True):
        follows = after[3] if after and after[2] == "text" else ""
        yield Block(page, text.count("\n", 0, it.start()) + 1, it[2], textwrap.dedent(it[3]), follows)


def commands_of(block: Block) -> list[str]:
    """The commands of a block of shell lines, a line each, without comments."""
    lines = re.sub(r"\\\n\s*", "", block.text).splitlines()
    return [line for line in lines if line.strip() and not line.lstrip().startswith("#")]


def inline_commands() -> Iterator[tuple[Path, str]]:
    """Commands of ours within the text of pages: those that say more than a command's name."""
    for page in PAGES:
        prose = _BLOCK.sub("", page.read_text(encoding="utf-8"))
        for command in dict.fromkeys(_INLINE.findall(prose)):
            if len(command.split()) > 2:
                yield page, " ".join(command.split())
