"""How a command ends: what the system refuses, signals, a reader that is gone, and bugs."""

from __future__ import annotations

import errno
import importlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from recbole_cl.errors import UsageError
from recbole_cl.guard import guarded

ROOT = Path(__file__).parents[1]


def ended(error: BaseException) -> int:
    """The exit code of a command that raises an error."""

    def command(argv: Sequence[str]) -> int:
        raise error

    return guarded("prog", command, [])


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "a/last.pth"), "a/last.pth: No space left on device; make"),
        (OSError(errno.EROFS, "Read-only file system", "a"), "a: Read-only file system; give another path"),
        (OSError(errno.ENAMETOOLONG, "File name too long", "a" * 300), "File name too long; give a shorter one"),
        (OSError(errno.EFBIG, "File too large", "a"), "a: File too large; the limit of file sizes"),
        (OSError(errno.EMLINK, "Too many links", "a"), "a: Too many links; give another path"),
        (FileNotFoundError(errno.ENOENT, "No such file", "a"), "a: No such file; was it moved or removed meanwhile?"),
        (FileExistsError(errno.EEXIST, "File exists", "a", None, "b"), "b: File exists; give another path"),
        (OSError("6400 requested and 0 written"), "6400 requested and 0 written"),
        (OSError(errno.EIO, "I/O error", b"\xff\x1b[31m"), r"\udcff\x1b[31m: I/O error"),
        (MemoryError("(8 GB)"), "out of memory (8 GB); lower the batch size"),
        (UsageError("one\n  two \x1b[0m"), r"one two \x1b[0m"),
    ],
)
def test_what_the_user_can_mend_is_one_harmless_line(
    error: BaseException, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(error) == 2
    err = capsys.readouterr().err
    assert err.startswith("prog: error: ") and words in err and err.count("\n") == 1 and "\x1b" not in err


@pytest.mark.parametrize("redirection", [">&-", "2>&-", "| cat"])
def test_closed_streams_and_narrow_encodings_do_not_fail_a_command(redirection: str) -> None:
    code = "from recbole_cl.guard import guarded; guarded('p', lambda argv: print('\u00e1 \u0436') or 0, [])"
    shell = f'set -o pipefail; {sys.executable} -c "$CODE" {redirection}'
    environment = os.environ | {"CODE": f"import sys\n{code}", "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(["bash", "-c", shell], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout == ("" if redirection == ">&-" else "\\xe1 \\u0436\n")


def test_an_interrupt_has_its_code_and_a_bug_its_traceback() -> None:
    assert ended(KeyboardInterrupt()) == 130
    with pytest.raises(ZeroDivisionError):
        ended(ZeroDivisionError())


def test_a_termination_ends_a_command_once_and_leaves_the_handlers_as_they_were() -> None:
    before, cleared = signal.getsignal(signal.SIGTERM), []

    def command(argv: Sequence[str]) -> int:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except KeyboardInterrupt:  # as a run takes it
            os.kill(os.getpid(), signal.SIGTERM)  # schedulers repeat it
            cleared.append(True)
            raise
        return 0

    assert guarded("prog", command, []) == 143 and cleared == [True]
    assert signal.getsignal(signal.SIGTERM) == before


def _swallowing(argv: Sequence[str]) -> int:
    with suppress(KeyboardInterrupt):  # as Python does in a destructor, and numpy in places
        signal.raise_signal(signal.SIGTERM)
    time.sleep(5)
    return 0


def _replacing(argv: Sequence[str]) -> int:
    try:
        signal.raise_signal(signal.SIGTERM)
    except KeyboardInterrupt:  # as pydantic does while it builds a class
        raise ZeroDivisionError from None
    return 0


@pytest.mark.parametrize("command", [_swallowing, _replacing])
def test_a_termination_ends_a_command_whatever_becomes_of_its_exception(
    command: Callable[[Sequence[str]], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recbole_cl.guard._AGAIN", 0.01)
    assert guarded("prog", command, []) == 143
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_a_termination_lets_an_import_finish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "slow_to_import.py").write_text("import signal\nsignal.raise_signal(signal.SIGTERM)\nwhole = True\n")
    monkeypatch.syspath_prepend(tmp_path)
    imported = []

    def command(argv: Sequence[str]) -> int:
        imported.append(importlib.import_module("slow_to_import").whole)
        time.sleep(5)
        return 0

    assert guarded("prog", command, []) == 143 and imported == [True]


def test_a_termination_after_an_interrupt_does_not_hide_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """As torchrun does: SIGINT, and soon SIGTERM."""
    told: list[str] = []

    def tell(line: str) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        told.append(line)

    monkeypatch.setattr("recbole_cl.guard._tell", tell)
    before = signal.signal(signal.SIGTERM, lambda *_: told.append("killed"))
    try:
        assert ended(KeyboardInterrupt()) == 130 and told == ["prog: interrupted"]
    finally:
        signal.signal(signal.SIGTERM, before)


def test_another_process_that_waits_for_the_first_to_tell_ends_in_silence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Torchrun ends it as soon as the first one has ended."""
    monkeypatch.setattr("recbole_cl.guard.is_first", lambda: False)
    monkeypatch.setattr("time.sleep", lambda seconds: os.kill(os.getpid(), signal.SIGTERM))
    assert ended(UsageError("what the first one has told")) == 143
    assert capsys.readouterr().err == ""


def test_a_command_runs_in_a_thread_too() -> None:
    codes = []
    thread = threading.Thread(target=lambda: codes.append(guarded("prog", lambda argv: 7, [])))
    thread.start()
    thread.join()
    assert codes == [7]


def test_a_reader_that_is_gone_ends_a_command_quietly() -> None:
    code = "import sys; from recbole_cl.cli import main; sys.exit(main(['models']))"
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([sys.executable, "-c", code], stdout=writer, stderr=subprocess.PIPE, cwd=ROOT)
    os.close(writer)
    assert done.returncode == 141 and done.stderr == b""
