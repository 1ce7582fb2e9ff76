"""Runs commands in processes forked from this one, so that nothing is imported again, and records how they ended."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import NamedTuple

import torch
from tqdm import tqdm

from recbole_cl import cli
from recbole_cl.config.models import recboles_model
from recbole_cl.guard import guarded
from recbole_cl.runs.runner import run  # noqa: F401

recboles_model("GRU4Rec")  # together with `run`, imports everything that a training needs, for all children

tqdm.set_lock(threading.RLock())  # its own is shared with children, and stays locked if one is killed while it holds it

LIMIT = 120.0  # seconds after which a command counts as hanging; none of them trains for more than a few


class Outcome(NamedTuple):
    """How a case ended.

    Attributes:
        case: What was tried.
        ended: How it ended, in a few words shared by many cases.
        good: Whether this is the intended ending.
    """

    case: str
    ended: str
    good: bool


class Part(NamedTuple):
    """Some cases of one kind.

    Attributes:
        title: What is tried.
        cases: Number of cases for the page.
        run: Tries a given number of them, drawn from a generator, in an empty folder.
    """

    title: str
    cases: int
    run: Callable[[int, Random, Path], Iterator[Outcome]]


@dataclass
class Child:
    """A process that runs a command.

    Attributes:
        pid: Its process id.
        output: The file with its stdout and stderr.
        began: The time when it was started.
    """

    pid: int
    output: Path
    began: float = field(default_factory=time.monotonic)

    def wait(self, limit: float = LIMIT) -> int | None:
        """Its exit code, negative for a signal; None if it did not end in time, and was killed."""
        while time.monotonic() - self.began < limit:
            done, status = os.waitpid(self.pid, os.WNOHANG)
            if done:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.005)
        self.kill()
        os.waitpid(self.pid, 0)
        return None

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Sends it a signal; ``wait`` tells whether this, or something before, has ended it."""
        os.kill(self.pid, number)

    @property
    def text(self) -> str:
        """What it has printed so far."""
        return self.output.read_text(encoding="utf-8", errors="replace")


def start(command: Sequence[str] | Callable[[], object], folder: Path) -> Child:
    """Starts ``recbole-cl`` with some arguments, or a function as if it were a command, in a folder."""
    output = folder / f"output-{time.monotonic_ns()}.txt"
    output.touch()  # a child that is killed at once would not do it
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            torch.set_num_threads(1)
            os.chdir(folder)
            file = os.open(output, os.O_WRONLY | os.O_CREAT)
            os.dup2(file, 1)
            os.dup2(file, 2)
            sys.stdout, sys.stderr = (os.fdopen(number, "w", closefd=False) for number in (1, 2))
            code = cli.main(command) if isinstance(command, Sequence) else _guarded(command)
        except SystemExit as error:
            code = int(error.code or 0)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    return Child(pid, output)


def _guarded(function: Callable[[], object]) -> int:
    def command(argv: Sequence[str]) -> int:
        function()
        return 0

    return guarded("python", command, [])


def flags(settings: Mapping[str, object]) -> list[str]:
    """Settings in the form of command line flags."""
    return [f"--{key}={value}" for key, value in settings.items()]


def problem(child: Child, code: int | None) -> str | None:
    """The fault in how a command ended; it should succeed, or refuse its input in one line."""
    if code is None:
        return "hangs"
    if "Traceback (most recent call last)" in child.text:
        return "traceback"
    if code not in (0, 2):
        return f"ends with code {code}"
    if code == 2 and sum(": error: " in line for line in child.text.splitlines()) != 1:
        return "not one line"
    return None
