"""One run of a suite: its state, and how it is executed in its own process.

A separate process for each run costs a few seconds of imports, and protects other runs from its problems: leaking or
fragmented memory, a crash in a kernel, the system's out-of-memory killer, global state of libraries. It ends at once
when its worker ends, so that a dead worker's lock is released.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import Any, BinaryIO

from recbole_cl.errors import UsageError
from recbole_cl.runs.folder import LAST, RESULT, resumed_folder
from recbole_cl.runs.lock import locked
from recbole_cl.suites.plan import PlannedRun
from recbole_cl.writing import atomic_write_json

FAILED = "failed.json"  # why a run ended without a result; deleted once it has one
_UNTIL_SIGNALLED = 1.0  # seconds between the first and the last process of a job that a scheduler signals


class State(Enum):
    """State of a run, as its folder shows it."""

    TO_DO = "to do"
    BEGUN = "begun"
    DONE = "done"
    FAILED = "failed"


class Outcome(Enum):
    """How executing a run ended; the values are exit codes of its process."""

    DONE = 0
    FAILED = 3
    TAKEN = 4  # another worker is running it
    PAUSED = 5  # the time is up


class _Paused(KeyboardInterrupt):
    """Ends a training between two epochs, as Ctrl+C does."""


def state_of(run: PlannedRun) -> State:
    """State of a run, as its folder shows it."""
    if (run.folder / RESULT).is_file():
        return State.DONE
    if (run.folder / FAILED).is_file():
        return State.FAILED
    return State.BEGUN if _begun(run.folder) else State.TO_DO


def failure_of(run: PlannedRun) -> str:
    """The reason for a run's failure, in one line."""
    return str(json.loads((run.folder / FAILED).read_text(encoding="utf-8"))["reason"])


def forget_failure(run: PlannedRun) -> None:
    """Lets a failed run be tried again; it resumes from its last checkpoint, if there is one."""
    (run.folder / FAILED).unlink(missing_ok=True)


def is_taken(run: PlannedRun) -> bool:
    """Whether a process is working on a run."""
    if not run.folder.is_dir():
        return False
    try:
        with locked(run.folder):
            return False
    except UsageError:
        return True


def carry_out_here(run: PlannedRun, deadline: float | None = None) -> Outcome:
    """Executes a run in this process: begins or resumes it, and records the reason if it fails.

    Args:
        run: The run.
        deadline: Time (of ``time.time``) after which it is paused before its next epoch; None for no limit.

    Returns:
        How it ended; a finished run is not repeated.
    """
    run.folder.mkdir(parents=True, exist_ok=True)
    try:
        with locked(run.folder):
            return _carry_out(run, deadline)
    except UsageError:  # raised only by the lock
        return Outcome.TAKEN


def carry_out_apart(
    run: PlannedRun, deadline: float | None, environment: Mapping[str, str], wait: Callable[[], object]
) -> Outcome:
    """Executes a run in its own process.

    Args:
        run: The run.
        deadline: As for ``carry_out_here``.
        environment: Its environment variables.
        wait: Called every second.

    Returns:
        How it ended. If its process died, this is recorded as a failure.

    Raises:
        KeyboardInterrupt: If it was interrupted.
    """
    job = {**vars(run), "data_folder": str(run.data_folder), "folder": str(run.folder), "deadline": deadline}
    with tempfile.TemporaryFile() as said:
        command = [sys.executable, "-m", "recbole_cl.suites.job"]
        child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said, env=dict(environment)
        )
        assert child.stdin is not None
        try:
            child.stdin.write(f"{json.dumps(job)}\n".encode())
            child.stdin.flush()  # it stays open: the child ends when it reads that this process has ended
            while (code := _ended(child)) is None:
                wait()
        except BrokenPipeError:
            code = child.wait()
        finally:
            with suppress(BrokenPipeError):
                child.stdin.close()
            child.wait()
        if code == 130:
            raise KeyboardInterrupt
        if code in {outcome.value for outcome in Outcome}:
            return Outcome(code)
        time.sleep(_UNTIL_SIGNALLED)  # if a signal ended it, this process may be next
        _record_failure(run, _death(code, said))
        return Outcome.FAILED


def main() -> int:
    """Executes the run that standard input describes."""
    line = sys.stdin.buffer.readline()
    job: dict[str, Any] = json.loads(line)
    threading.Thread(target=_end_with_worker, daemon=True).start()
    deadline = job.pop("deadline")
    job |= {key: Path(job[key]) for key in ("data_folder", "folder")}
    try:
        return carry_out_here(PlannedRun(**job), deadline).value
    except KeyboardInterrupt:
        return 130


def _end_with_worker() -> None:
    """Ends this process at once when the worker that started it has ended, as if both had been killed."""
    while os.read(sys.stdin.fileno(), 1):  # not sys.stdin.buffer: Python aborts at exit while a thread reads from it
        pass
    os._exit(1)


def _carry_out(run: PlannedRun, deadline: float | None) -> Outcome:
    if state_of(run) in (State.DONE, State.FAILED):  # another worker has done it
        return Outcome.DONE if state_of(run) is State.DONE else Outcome.FAILED
    from recbole_cl.runs import runner
    from recbole_cl.runs.build import build_config

    def before_epoch(epoch: int) -> None:
        if deadline is not None and time.time() >= deadline:
            raise _Paused

    settings = dict(run.settings) | {"show_progress": False}
    if _begun(run.folder):
        settings["resume"] = str(run.folder)
    try:
        runner.carry_out(build_config(run.model, run.dataset, (), settings), run.folder, before_epoch)
    except _Paused:
        return Outcome.PAUSED
    except Exception as error:  # a model may raise anything: the other runs must continue
        kind = "" if isinstance(error, UsageError) else f"{type(error).__name__}: "
        _write_failure(run, f"{kind}{' '.join(str(error).split())}")
        return Outcome.FAILED
    return Outcome.DONE


def _begun(folder: Path) -> bool:
    """Whether a run can be resumed from the files in its folder."""
    try:
        return resumed_folder(folder) == folder
    except UsageError:
        return False


def _ended(child: subprocess.Popen[bytes]) -> int | None:
    try:
        return child.wait(timeout=1)
    except subprocess.TimeoutExpired:
        return None


def _death(code: int, said: BinaryIO) -> str:
    """The reason why a process ended, from its exit code and its last output."""
    if code < 0:
        why = ", as the system does when memory is short" if code == -9 else ""
        return f"its process was killed by signal {-code}{why}"
    said.seek(0)
    words = [line for line in said.read().decode(errors="replace").splitlines() if line.strip()]
    return f"its process ended with exit code {code}{f': {words[-1].strip()}' if words else ''}"


def _record_failure(run: PlannedRun, reason: str) -> None:
    run.folder.mkdir(parents=True, exist_ok=True)
    try:
        with locked(run.folder):
            if state_of(run) not in (State.DONE, State.FAILED):  # the process itself knew the reason
                _write_failure(run, reason)
    except UsageError:
        pass  # another worker has resumed it


def _write_failure(run: PlannedRun, reason: str) -> None:
    atomic_write_json(run.folder / FAILED, {"reason": reason, "checkpoint": (run.folder / LAST).is_file()})


if __name__ == "__main__":
    sys.exit(main())
