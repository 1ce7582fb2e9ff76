"""The script of the page on several machines, by stand-ins of Slurm's commands that start two nodes here."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from recbole_cl.testing.toy import TINY, write_cycle

ROOT = Path(__file__).parents[2]
SRUN = """#!/bin/bash
"$@" & first=$!
"$@" & second=$!
wait $first && wait $second
"""


@pytest.mark.slow
def test_the_pages_script_trains_on_two_nodes(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "distributed.md").read_text(encoding="utf-8")
    (script,) = re.findall(r"```sh\n(#!/bin/bash\n.*?)```", page, re.DOTALL)
    (tmp_path / "job.sh").write_text(script.replace("run_recbole_cl.py", str(ROOT / "run_recbole_cl.py")))
    commands = {"srun": SRUN, "scontrol": "#!/bin/bash\necho localhost\n"}
    commands["torchrun"] = f'#!/bin/bash\nexec {sys.executable} -m torch.distributed.run "$@"\n'
    for name, text in commands.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    slurm = {"SLURM_JOB_NUM_NODES": "2", "SLURM_JOB_ID": "7", "SLURM_JOB_NODELIST": "node[1-2]", "PORT": port}
    environment = os.environ | slurm | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    settings = TINY | write_cycle(tmp_path) | {"epochs": 2}
    flags = [f"--{key}={value}" for key, value in settings.items()]
    command = ["bash", "job.sh", "-m", "SASRec", "-d", "cycle", *flags]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (run,) = (it for it in (tmp_path / "saved").iterdir() if it.is_dir())
    assert (run / "result.json").is_file() and '"processes": 2' in (run / "environment.json").read_text()
