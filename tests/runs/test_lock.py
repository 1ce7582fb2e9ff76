"""The lock of a run folder: against others, not against oneself, and gone with the process that had it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from recbole_cl.errors import UsageError
from recbole_cl.runs.lock import locked

HOLDER = """
import sys
from pathlib import Path
from recbole_cl.runs.lock import locked

with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_process_takes_its_own_lock_again(tmp_path: Path) -> None:
    with locked(tmp_path), locked(tmp_path):
        pass
    with locked(tmp_path):
        pass


def test_another_process_is_kept_out_until_the_holder_is_dead(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout and holder.stdout.readline() == "held\n"
        with pytest.raises(UsageError, match="another process is at work in it"), locked(tmp_path):
            pass
        holder.kill()
    with locked(tmp_path):
        pass
