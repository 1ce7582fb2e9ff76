"""Damages data files at random and reports the outcome: the part ``data`` of the robustness benchmark.

Half of the files are atomic files, which are loaded as a run loads them; half are sources, which are converted as by
    ``recbole-cl convert`` and then loaded. Each is damaged by one to three faults that occur in practice: quotation
    marks, lost or added separators, cut lines, bytes of another encoding, zero bytes, line ends, words among numbers,
    huge numbers, missing values, truncated or broken compression, blank lines, doubled headers.

A file should be loaded completely (as many interactions as lines that are not blank, or as items of sequences) or
    refused by a ``UsageError``, which the command line reports in one line with exit code 2. A traceback, a hang (more
    than 20 seconds) and a silent loss are faults.
"""

from __future__ import annotations

import bz2
import gzip
import logging
import lzma
import random
import shutil
import signal
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from benchmarks._children import Outcome, Part
from recbole_cl.config.config import Config
from recbole_cl.data.dataset import ContrastiveDataset
from recbole_cl.data.files.dataframe import from_files
from recbole_cl.data.files.sources import Reading, read_log
from recbole_cl.errors import UsageError

HANG_S = 20
Damage = Callable[[bytes, random.Random], bytes]


def _at_random_line(change: Callable[[bytes, random.Random], bytes]) -> Damage:
    """Damages one line, which may be the header."""

    def damage(content: bytes, rng: random.Random) -> bytes:
        lines = content.split(b"\n")
        place = rng.randrange(len(lines))
        lines[place] = change(lines[place], rng)
        return b"\n".join(lines)

    return damage


def _insert(*pieces: bytes) -> Damage:
    """Inserts one of the pieces somewhere into a line."""

    def change(line: bytes, rng: random.Random) -> bytes:
        place = rng.randint(0, len(line))
        return line[:place] + rng.choice(pieces) + line[place:]

    return _at_random_line(change)


def _field(*values: bytes) -> Damage:
    """Replaces one value of a line."""

    def change(line: bytes, rng: random.Random) -> bytes:
        mark = b"\t" if b"\t" in line else b","
        fields = line.split(mark)
        fields[rng.randrange(len(fields))] = rng.choice(values)
        return mark.join(fields)

    return _at_random_line(change)


def _quoted_span(content: bytes, rng: random.Random) -> bytes:
    """One quotation mark opens a field, and another one, some lines later, closes it."""
    lines = content.split(b"\n")
    if len(lines) < 5:  # after an earlier damage
        return content
    first = rng.randrange(1, len(lines) - 3)
    mark = b"\t" if b"\t" in lines[0] else b","
    for place, before in ((first, True), (first + rng.randint(0, 2), False)):
        fields = lines[place].split(mark)
        number = rng.randrange(len(fields))
        fields[number] = b'"' + fields[number] if before else fields[number] + b'"'
        lines[place] = mark.join(fields)
    return b"\n".join(lines)


def _encoded(content: bytes, encoding: str) -> bytes:
    return content.decode(errors="ignore").encode(encoding, "ignore")


DAMAGES: tuple[Damage, ...] = (
    _insert(b'"', b'""', b"\t", b",", b"\r", b"\0", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xef\xbb\xbf", b" ", b"\x1f"),
    _field(b"", b"NA", b"null", b"inf", b"-1", b"9" * 20, b"9" * 400, b"1e999", b"True", b"[1]", b'"a', b"2020-13-45"),
    _quoted_span,
    _at_random_line(lambda line, rng: line[: rng.randint(0, len(line))]),
    _at_random_line(lambda line, rng: line + b"\n" + line),
    _at_random_line(lambda line, rng: rng.choice((b"", b"  ", b"\t\t", b"{" * 2000, b"[" * 5000))),
    lambda content, rng: content[: rng.randint(0, len(content))],
    lambda content, rng: content.replace(b"\n", rng.choice((b"\r\n", b"\r", b"\n\n"))),
    lambda content, rng: b"\xef\xbb\xbf" + content,
    lambda content, rng: content.split(b"\n")[0] + b"\n" + content,
    lambda content, rng: content.decode(errors="ignore").encode(
        rng.choice(("utf-16", "utf-16-le", "latin-1")), "ignore"
    ),
)


def _damaged(content: bytes, rng: random.Random) -> bytes:
    for _ in range(rng.choice((1, 1, 2, 3))):
        content = rng.choice(DAMAGES)(content, rng)
    return content


def _rows(rng: random.Random) -> list[tuple[str, str, int]]:
    return [(f"u{user}", f"{rng.randrange(12):03}", 1_600_000_000 + 60 * k) for user in range(8) for k in range(6)]


def atomic_source(rng: random.Random) -> tuple[bytes, str]:
    """An atomic file, damaged."""
    header = "user_id:token\ttitle:token\titem_id:token\ttimestamp:float\n"
    lines = (f"{user}\tFilm {item}\t{item}\t{time}\n" for user, item, time in _rows(rng))
    return _damaged((header + "".join(lines)).encode(), rng), "atomic"


def any_source(rng: random.Random) -> tuple[bytes, str]:
    """A source in one of the formats, damaged, and sometimes compressed, where the compression may be damaged, too."""
    rows = _rows(rng)
    texts = {
        "csv": "user_id,item_id,timestamp,note\n" + "".join(f'{u},{i},{t},"a, b"\n' for u, i, t in rows),
        "jsonl": "".join(f'{{"user_id": "{u}", "item_id": {int(i)}, "timestamp": {t}}}\n' for u, i, t in rows),
        "sequences": "".join(f"{user} 1 2 3 4 5\n" for user in range(9)),
        "atomic": "user_id:token\titem_id:token\ttimestamp:float\n" + "".join(f"{u}\t{i}\t{t}\n" for u, i, t in rows),
    }
    kind = rng.choice(sorted(texts))
    content = _damaged(texts[kind].encode(), rng)
    if rng.random() < 0.3:
        content = rng.choice((gzip.compress, bz2.compress, lzma.compress))(content)
        content = content[: rng.randint(1, len(content))] if rng.random() < 0.5 else content
    return content, kind


@contextmanager
def _time_limit() -> Iterator[None]:
    def stop(number: int, frame: FrameType | None) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(HANG_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def _lines(content: bytes, blank: bytes = b" ") -> int:
    """Number of lines with anything but ``blank`` on them."""
    ends = content.replace(b"\r\n", b"\n")
    ends = ends if b"\n" in ends else ends.replace(b"\r", b"\n")
    return sum(bool(line.strip(blank)) for line in ends.split(b"\n"))


def _loaded(folder: Path) -> int:
    settings = {"data_path": str(folder), "use_gpu": False, "user_inter_num_interval": None}
    config = Config("SASRec", "shop", config_dict=settings | {"item_inter_num_interval": None})
    return len(ContrastiveDataset(config).inter_feat)


def outcome_of_atomic(content: bytes, kind: str, folder: Path) -> str:
    """Loads an atomic file: every line is a row, or the file is refused."""
    (folder / "shop").mkdir()
    (folder / "shop" / "shop.inter").write_bytes(content)
    return "loaded" if _loaded(folder) == _lines(content.removeprefix(b"\xef\xbb\xbf")) - 1 else "silent loss"


def outcome_of_source(content: bytes, kind: str, folder: Path) -> str:
    """Converts a source and loads the result: every line, or every item of a sequence, is an interaction."""
    source = folder / "source"
    source.write_bytes(content)
    from_files(source, name="shop", data_path=folder, source_format=kind)
    converted = len(read_log([source], Reading(kind)).interactions)
    if _loaded(folder) != converted:
        return "silent loss"
    plain = _plain(content)
    if kind == "sequences":
        expected = sum(max(len(line.split()) - 1, 0) for line in plain.decode("utf-8-sig").splitlines())
    else:
        plain = plain.removeprefix(b"\xef\xbb\xbf")
        expected = _lines(plain, b" \t\r\x0b\x0c") if kind == "jsonl" else _lines(plain) - 1  # its header
    return "loaded" if converted in (expected, expected + 1) else "silent loss"  # one more if it misses the header


def _plain(content: bytes) -> bytes:
    for start, decompress in ((b"\x1f\x8b", gzip.decompress), (b"BZh", bz2.decompress), (b"\xfd7z", lzma.decompress)):
        if content.startswith(start):
            return decompress(content)
    return content


KINDS: dict[str, tuple[Callable[[random.Random], tuple[bytes, str]], Callable[[bytes, str, Path], str]]] = {
    "atomic files": (atomic_source, outcome_of_atomic),
    "sources": (any_source, outcome_of_source),
}


def outcome(kind: str, seed: str, folder: Path) -> Outcome:
    """The outcome for the file that a seed gives, in its own folder."""
    make, judge = KINDS[kind]
    content, form = make(random.Random(seed))
    case = f"{kind}, {form}, {seed}"
    folder.mkdir()
    try:
        with _time_limit():
            found = judge(content, form, folder)
    except UsageError as error:
        found = "refused in one line" if "\n" not in str(error) else "refused in several lines"
    except TimeoutError:
        found = "hang"
    except Exception:
        found, case = "traceback", f"{case}\n{traceback.format_exc()}"
    finally:
        shutil.rmtree(folder)
    return Outcome(case, f"{kind}: {found}", found in ("loaded", "refused in one line"))


def damaged_data(count: int, rng: random.Random, folder: Path) -> Iterator[Outcome]:
    """Checks a number of files, of each kind in turn."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        for number in range(count):
            kind = [*KINDS][number % len(KINDS)]
            yield outcome(kind, f"{rng.getrandbits(64):x}", folder / str(number))
    finally:
        logging.disable(before)


PARTS = {"data": Part("atomic files and sources with one to three faults each", 1000, damaged_data)}
