"""How a command ends: one line for errors that the user can fix, the code of a signal, a traceback only for a bug."""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from recbole_cl.distributed.processes import is_first
from recbole_cl.errors import ProcessLost, UsageError
from recbole_cl.text import printable

_REMEDIES = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "make room there, or give another path"),
    errno.EFBIG: "the limit of file sizes (ulimit -f) or of the disk is too low for it",
    errno.EMFILE: "too many files are open (ulimit -n)",
    errno.ENAMETOOLONG: "give a shorter one",
    errno.ENOENT: "was it moved or removed meanwhile?",
}


_FIRST_TELLS = 10  # seconds


class Terminated(KeyboardInterrupt):
    """SIGTERM, sent by a scheduler or ``kill``: ends a command as Ctrl+C does."""


def guarded(prog: str, command: Callable[[Sequence[str]], int], argv: Sequence[str]) -> int:
    """Runs a command, and reports errors that the user can fix in one line.

    Args:
        prog: The command's name.
        command: Takes the arguments and returns the exit code.
        argv: The arguments.

    Returns:
        The exit code: that of the command; 2 after a mistake in the input, or if the system refuses a file or memory; 1
            if another process of the run has ended; 130 if interrupted, 143 if terminated, 141 if the reader of the
            output has ended.
    """
    _make_streams_usable()
    with _terminable():
        try:
            return _told_if_mendable(prog, command, argv)
        except Terminated:
            _tell(f"{prog}: terminated")
            return 128 + signal.SIGTERM
        except KeyboardInterrupt:
            _ignore_termination()
            _tell(f"{prog}: interrupted")
            return 128 + signal.SIGINT


def _told_if_mendable(prog: str, command: Callable[[Sequence[str]], int], argv: Sequence[str]) -> int:
    try:
        code = command(argv)
        sys.stdout.flush()
        return code
    except UsageError as error:
        return _told(prog, str(error))
    except ProcessLost as error:
        return _told(prog, str(error), 1)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # Python flushes it once more at exit
        return 141  # 128 + SIGPIPE, which Windows does not have
    except OSError as error:
        return _told(prog, _words(error))
    except MemoryError as error:
        return _told(prog, f"out of memory {error}; lower the batch size, the sizes of the model or the data")


def _make_streams_usable() -> None:
    """Stands in for closed streams, and lets the terminal show what its encoding lacks as an escape sequence."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _told(prog: str, message: str, code: int = 2) -> int:
    if not is_first():
        time.sleep(_FIRST_TELLS)  # the first process usually has the same error; torchrun then ends this one
    print(f"{prog}: error: {printable(' '.join(message.split()))}", file=sys.stderr)
    return code


def _tell(line: str) -> None:
    if is_first():
        print(line, file=sys.stderr)


def _words(error: OSError) -> str:
    """What the system refused, and a remedy if there is one."""
    names = [os.fsdecode(name) for name in (error.filename2, error.filename) if isinstance(name, str | bytes)]
    named = f"{names[0]}: {error.strerror}" if names else str(error) or type(error).__name__
    remedy = _REMEDIES.get(error.errno or 0, "give another path" if names else "")
    return f"{named}; {remedy}" if remedy else named


def _ignore_termination() -> None:
    """From here on: torchrun sends SIGTERM after SIGINT, which would end the process before it says why."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


@contextmanager
def _terminable() -> Iterator[None]:
    """Raises ``Terminated`` at the first SIGTERM in the block; further ones do not interrupt the clean-up."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, frame: Any) -> None:
        signal.signal(number, signal.SIG_IGN)
        raise Terminated

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
