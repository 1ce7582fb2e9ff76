"""Reads the content of a file, compressed or not."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from recbole_cl.errors import UsageError

_TAR = slice(257, 262)


def read_bytes(path: Path) -> bytes:
    """Reads and decompresses a file. Its first bytes show the compression, whatever its name.

    Args:
        path: Not compressed; compressed with gzip, bzip2, xz or zstandard; or a zip archive of one file.

    Returns:
        The content.

    Raises:
        UsageError: If the file is missing, damaged, encrypted or an archive of several files, or needs a package that
            is not installed.
    """
    try:
        raw = path.read_bytes()
        content = _decompressed(raw, path)
    except (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, NotImplementedError) as error:
        why = getattr(error, "strerror", None) or error
        raise UsageError(f"{path} cannot be read: {why}; it may be damaged: get it again") from None
    if content[_TAR] == b"ustar":
        raise UsageError(f"{path} is a tar archive: unpack it, and give the file in it")
    return content


def _decompressed(raw: bytes, path: Path) -> bytes:
    if raw.startswith(b"\x1f\x8b"):
        return gzip.decompress(raw)
    if raw.startswith(b"BZh") and raw[4:10] in (b"1AY&SY", b"\x17rE8P\x90"):  # the latter in an empty file
        return _streams(raw, bz2.BZ2Decompressor)
    if raw.startswith(b"\xfd7zXZ\0"):
        return _streams(raw, lzma.LZMADecompressor)
    if raw.startswith(b"\x28\xb5\x2f\xfd"):
        return _zstandard(raw, path)
    if raw.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _only_member(raw, path)
    return raw


def _streams(raw: bytes, decompressor: Callable[[], Any]) -> bytes:
    """All streams of a file. Python's own functions silently ignore the streams after the first damage."""
    parts = []
    while raw:
        one = decompressor()
        parts.append(one.decompress(raw))
        if not one.eof:
            raise EOFError("the file ends before its content does")
        raw = one.unused_data.lstrip(b"\0")  # xz may be padded
    return b"".join(parts)


def _zstandard(raw: bytes, path: Path) -> bytes:
    try:
        import zstandard
    except ImportError:
        raise UsageError(f"{path}: .zst needs the package zstandard: pip install 'recbole_cl[files]'") from None
    try:
        with zstandard.ZstdDecompressor().stream_reader(io.BytesIO(raw), read_across_frames=True) as stream:
            content = stream.read()
    except zstandard.ZstdError as error:
        raise OSError(str(error)) from None
    if zstandard.frame_content_size(raw) > len(content):  # the reader does not report a truncated file
        raise EOFError("the file ends before its content does")
    return content


def _only_member(raw: bytes, path: Path) -> bytes:
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        members = [member for member in archive.infolist() if not member.is_dir()]
        members = [member for member in members if not member.filename.startswith("__MACOSX/")]
        if len(members) != 1:
            names = ", ".join(member.filename for member in members[:5])
            raise UsageError(f"{path} holds {len(members)} files ({names}): unpack it, and give the one that is meant")
        if members[0].flag_bits & 1:
            raise UsageError(f"{path} is encrypted: unpack it first")
        return archive.read(members[0])
