"""Converts pickles of protocol 4, used in RecBole's checkpoints, to protocol 2, the only one that torch loads safely.

Nothing is unpickled here: instructions are rewritten one by one, and the names that they would import are collected.
"""

from __future__ import annotations

import pickletools
from struct import pack
from typing import Any

from recbole_cl.errors import UsageError

_TEXTS = frozenset({"SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"})
_BYTES = frozenset({"SHORT_BINBYTES", "BINBYTES"})
_GETS = frozenset({"BINGET", "LONG_BINGET"})
_DROPPED = frozenset({"PROTO", "FRAME"})
_LATIN = "latin1"


def as_protocol_2(pickle: bytes) -> tuple[bytes, set[str]]:
    """Rewrites a pickle without running it.

    Args:
        pickle: One pickle of any protocol up to 4.

    Returns:
        The same in protocol 2, and the dotted names of everything that it would import.

    Raises:
        UsageError: If it is not a pickle, or names an import in a form that no pickler writes.
    """
    writer = _Writer()
    try:
        instructions = list(pickletools.genops(pickle))
    except (ValueError, IndexError, UnicodeDecodeError) as error:
        raise UsageError(f"no pickle: {error}") from None
    ends = [position or 0 for *_, position in instructions[1:]] + [len(pickle)]
    for (opcode, argument, position), end in zip(instructions, ends, strict=True):
        writer.write(opcode.name, argument, pickle[position or 0 : end])
    return b"\x80\x02" + b"".join(chunk for chunk, _ in writer.chunks), writer.names


class _Writer:
    """Rewrites instructions in order.

    Where the memo would repeat a text, the text is written again. So the two texts of a protocol 4 import are always
    the two chunks before it; protocol 2 has no other way to remove them.

    Attributes:
        chunks: The output, each chunk with its text if it pushes one.
        names: Dotted names of all imports.
    """

    def __init__(self) -> None:
        self.chunks: list[tuple[bytes, str | None]] = []
        self.names: set[str] = set()
        self._memo: dict[int, str] = {}
        self._memoized = 0

    def write(self, name: str, argument: Any, raw: bytes) -> None:
        """Rewrites one instruction."""
        if name in _DROPPED:
            return
        if name in _TEXTS:
            self._push(argument)
        elif name in _BYTES:
            self._push_bytes(argument)
        elif name == "MEMOIZE":
            self._memoize()
        elif name in _GETS and argument in self._memo:
            self._push(self._memo[argument])
        elif name == "STACK_GLOBAL":
            self._import_by_texts()
        else:
            if name == "GLOBAL":
                self.names.add(argument.replace(" ", "."))
            self.chunks.append((raw, None))

    def _push(self, text: str) -> None:
        data = text.encode("utf-8", "surrogatepass")
        self.chunks.append((b"X" + pack("<I", len(data)) + data, text))

    def _push_bytes(self, data: bytes) -> None:
        self.chunks.append((b"c_codecs\nencode\n", None))
        self._push(data.decode(_LATIN))
        self._push(_LATIN)
        self.chunks.append((b"\x86R", None))  # a pair of arguments, and the call

    def _memoize(self) -> None:
        text = self.chunks[-1][1] if self.chunks else None
        if text is None:
            self.chunks.append((b"r" + pack("<I", self._memoized), None))
        else:
            self._memo[self._memoized] = text
        self._memoized += 1

    def _import_by_texts(self) -> None:
        (_, module), (_, attribute) = self.chunks[-2:] if len(self.chunks) > 1 else [(b"", None)] * 2
        if module is None or attribute is None or "\n" in module + attribute:
            raise UsageError("it imports by names that it computes, which no checkpoint does")
        self.chunks[-2:] = [(f"c{module}\n{attribute}\n".encode(), None)]
        self.names.add(f"{module}.{attribute}")
