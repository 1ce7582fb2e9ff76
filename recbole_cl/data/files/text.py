"""Text of rows and columns: every line is either a row with the right number of fields or refused by its number.

pandas' parsers silently lose rows in two cases. If a quotation mark opens one field and closes a later one, the lines
between become one value. If a line has too many or too few fields, the fields after that are shifted.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recbole_cl.errors import UsageError

_BLOCK = 1 << 24  # number of bytes processed together

_MARKED = {
    "utf-16": (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE),
    "utf-32": (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE),
}
csv.field_size_limit(2**31 - 1)  # of a field, in characters; a C long of 32 bits holds it
_NEWLINE, _QUOTE = ord("\n"), ord('"')


@dataclass(frozen=True)
class Text:
    """A text file, decompressed and decoded.

    Attributes:
        path: The file, for messages.
        content: UTF-8 without a byte order mark; lines end with a line feed.
    """

    path: Path
    content: bytes

    @classmethod
    def of(cls, raw: bytes, path: Path, encoding: str, remedy: str) -> Text:
        """Decodes a file.

        Args:
            raw: Its content.
            path: The file, for messages.
            encoding: Encoding of the text.
            remedy: How a caller can name another encoding, for messages.

        Raises:
            UsageError: If it is not text of that encoding, or contains characters that no line may contain.
        """
        content = _utf8(raw, encoding, path, remedy).removeprefix(codecs.BOM_UTF8)
        if b"\r" in content:
            content = content.replace(b"\r\n", b"\n")
            content = content if b"\n" in content else content.replace(b"\r", b"\n")
        text = cls(path, content)
        for byte, what in ((b"\0", "a zero byte: it is no text, or of another encoding"), (b"\r", "a carriage return")):
            if (place := content.find(byte)) >= 0:
                line = content.count(b"\n", 0, place) + 1
                raise UsageError(f"{path}, line {line}: {what} within the line; remove it, or {remedy}")
        return text

    def header(self) -> tuple[str, int]:
        """The first line that is not blank, without its end, and the start of the next line; empty if there is none."""
        start = 0
        while start < len(self.content):
            end = self.content.find(b"\n", start)
            end = len(self.content) if end < 0 else end
            if line := self.content[start:end].strip(b" "):
                return line.decode(), end + 1
            start = end + 1
        return "", start

    def line_number(self, row: int, start: int) -> int:
        """The line of a row, from 1.

        Args:
            row: Number of the row, from 0, blank lines not counted.
            start: Position at which the rows begin.
        """
        number = self.content.count(b"\n", 0, start)
        for line in io.BytesIO(memoryview(self.content)[start:]):
            number += 1
            row -= bool(line.strip(b" \n"))
            if row < 0:
                return number
        raise AssertionError(f"{self.path} has no such row")

    def line_at(self, place: int) -> int:
        """The number of the line that holds a byte, from 1."""
        return self.content.count(b"\n", 0, place) + 1


def checked_rows(
    text: Text, start: int, separator: str, width: int, *, lenient: bool, remedy: str
) -> tuple[bytes, int]:
    """Checks that every line is one row with the same number of fields, with quotation marks as in csv.

    Args:
        text: The file.
        start: Position at which the rows begin.
        separator: One character of one byte.
        width: Number of fields of each row.
        lenient: Whether a field that begins with a quotation mark but is not a quoted field is taken literally instead
            of refused.
        remedy: Advice on a quotation mark that is not closed on its line, for messages.

    Returns:
        The rows, which a csv parser then reads correctly line by line, and their number.

    Raises:
        UsageError: If a line has another number of fields, or a quoted field does not end on its line.
    """
    pieces: list[bytes] = []
    kept, rows = start, 0  # content up to here is in the pieces; number of rows so far
    for begin, end in _blocks(text.content, start):
        block = np.frombuffer(text.content, np.uint8, end - begin, begin)
        line_end = np.flatnonzero(block == _NEWLINE)
        if not len(line_end) or line_end[-1] < len(block) - 1:
            line_end = np.append(line_end, len(block))  # the last line of the file may not end with a line feed
        line_start = np.append(0, line_end[:-1] + 1)
        is_blank = _blank(block, line_start, line_end, separator)
        rows += len(line_start) - int(is_blank.sum())
        fields = np.searchsorted(np.flatnonzero(block == ord(separator)), line_end)
        fields = np.diff(fields, prepend=0) + 1
        for number in _lines_with_quoted_fields(block, line_start, ord(separator)):
            first, last = begin + int(line_start[number]), begin + int(line_end[number])
            content = text.content[first:last].decode()
            try:
                (row,) = csv.reader([content], delimiter=separator, strict=True)
            except csv.Error as error:
                if not lenient:
                    where = f"{text.path}, line {text.line_at(first)}"
                    raise UsageError(
                        f"{where}: a quotation mark opens a field that is not a quoted one: {remedy}"
                    ) from error
                row = _as_it_stands(content, separator)
                pieces += [text.content[kept:first], _written(row, separator)]
                kept = last
            fields[number] = len(row)
        wrong = np.flatnonzero((fields != width) & ~is_blank)
        if len(wrong):
            line = text.line_at(begin + int(line_start[wrong[0]]))
            raise UsageError(
                f"{text.path}, line {line}: malformed line: {fields[wrong[0]]} values where there are {width} columns; "
                "put a value that holds the separator between quotation marks, or fix the line"
            )
    return b"".join([*pieces, memoryview(text.content)[kept:]]) if pieces or kept else text.content, rows


def _utf8(raw: bytes, encoding: str, path: Path, remedy: str) -> bytes:
    try:
        if encoding.replace("_", "-").lower() in ("utf-8", "utf8", "utf-8-sig"):
            if not raw.isascii():
                raw.decode("utf-8")
            return raw
        if codecs.lookup(encoding).name in _MARKED and not raw.startswith(_MARKED[codecs.lookup(encoding).name]):
            raise UnicodeError("it has no byte order mark")
        return raw.decode(encoding).encode()
    except (UnicodeError, LookupError) as error:
        raise UsageError(f"{path} is not {encoding} text ({error}): convert it, or {remedy}") from None


def _blocks(content: bytes, start: int) -> Iterator[tuple[int, int]]:
    """Splits a text into blocks of whole lines."""
    while start < len(content):
        end = content.rfind(b"\n", start, start + _BLOCK) + 1
        if not end:  # a line longer than a block
            end = content.find(b"\n", start) + 1 or len(content)
        if start + _BLOCK >= len(content):
            end = len(content)
        yield start, end
        start = end


def _blank(
    block: NDArray[np.uint8], start: NDArray[np.int64], end: NDArray[np.int64], separator: str
) -> NDArray[np.bool_]:
    """The lines that are empty or contain only spaces; pandas skips them."""
    blank = start == end
    for number in np.flatnonzero(~blank & (block[np.minimum(start, len(block) - 1)] == b" "[0])):
        blank[number] = not block[start[number] : end[number]].tobytes().strip(b" ") and separator != " "
    return blank


def _lines_with_quoted_fields(block: NDArray[np.uint8], line_start: NDArray[np.int64], separator: int) -> list[int]:
    """Numbers of the lines in which a field begins with a quotation mark."""
    place = np.flatnonzero(block == _QUOTE)
    if not len(place):
        return []
    before = block[np.maximum(place - 1, 0)]
    opening = place[(place == 0) | (before == separator) | (before == _NEWLINE)]
    numbers: list[int] = np.unique(np.searchsorted(line_start, opening, side="right") - 1).tolist()
    return numbers


def _as_it_stands(line: str, separator: str) -> list[str]:
    """The fields of a line: quoted fields without their quotation marks, all others literally."""
    mark = re.escape(separator)
    found = re.findall(rf'(?:^|{mark})(?:"((?:[^"]|"")*)"(?={mark}|$)|([^{mark}]*))', line)
    return [quoted.replace('""', '"') or plain for quoted, plain in found]


def _written(row: list[str], separator: str) -> bytes:
    line = io.StringIO()
    csv.writer(line, delimiter=separator, lineterminator="").writerow(row)
    return line.getvalue().encode()
