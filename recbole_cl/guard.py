"""How a command ends: one line for errors that the user can fix, the code of a signal, a traceback only for a bug."""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from types import FrameType
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
_SOON, _AGAIN, _LONGEST_WAIT = 0.1, 3.0, 3.0  # seconds: see ``_Signals``
_DELICATE = ("importlib._bootstrap", "importlib._bootstrap_external", "torch.serialization")
_HAS_TIMER = hasattr(signal, "setitimer")  # not on Windows


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
    with _Signals() as signals:
        try:
            code = _told_if_mendable(prog, command, argv)
        except BaseException as error:
            signals.ignore()
            if signals.number is None and not isinstance(error, KeyboardInterrupt):
                raise
            number = signals.number or signal.SIGINT
            _tell(f"{prog}: {'interrupted' if number == signal.SIGINT else 'terminated'}")
            return 128 + number
        return 128 + signals.number if signals.number and code else code


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


class _Signals:
    """Ends the block at SIGINT or SIGTERM by an exception in the main thread; further signals do not interrupt that.

    Code in C, destructors and callbacks may swallow an exception, or replace it by their own. So it is raised again
    every few seconds until the block ends. Libraries can also abort if it is raised while they are imported, and so can
    PyTorch while it writes a file: these are let finish, if that takes no more than seconds.
    """

    def __init__(self) -> None:
        self.number: int | None = None  # the signal that came first
        self._since, self._ignored = 0.0, False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> _Signals:
        if threading.current_thread() is threading.main_thread():
            own = [signal.SIGTERM]
            if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # a shell may have it ignored
                own.append(signal.SIGINT)
            self._before = {number: signal.signal(number, self._arrived) for number in own}
        return self

    def __exit__(self, *_: object) -> None:
        self.ignore()
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def ignore(self) -> None:
        """From here on, no signal interrupts: torchrun sends SIGTERM after SIGINT, before a process has said why."""
        self._ignored = True
        if self.number is not None and _HAS_TIMER:
            signal.setitimer(signal.ITIMER_REAL, 0)

    def _arrived(self, number: int, frame: FrameType | None) -> None:
        again = _HAS_TIMER and number == signal.SIGALRM
        if self._ignored or (self.number is not None and not again):
            return
        if self.number is None:
            self.number, self._since = number, time.monotonic()
            if _HAS_TIMER:
                self._before[signal.SIGALRM] = signal.signal(signal.SIGALRM, self._arrived)
        waits = _HAS_TIMER and time.monotonic() - self._since < _LONGEST_WAIT and _is_delicate(frame)
        if _HAS_TIMER:
            signal.setitimer(signal.ITIMER_REAL, _SOON if waits else _AGAIN)
        if not waits:
            raise KeyboardInterrupt if self.number == signal.SIGINT else Terminated


def _is_delicate(frame: FrameType | None) -> bool:
    """Whether the command imports a module or writes a checkpoint in this frame."""
    while frame is not None and frame.f_code is not guarded.__code__:
        if frame.f_globals.get("__name__") in _DELICATE:
            return True
        frame = frame.f_back
    return False
