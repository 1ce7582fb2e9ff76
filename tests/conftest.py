"""What every test needs."""

from __future__ import annotations

import os
import threading

import pytest
import torch
from tqdm import tqdm

pytest.register_assert_rewrite("recbole_cl.testing.contract")

# The tensors here are tiny: threads only add time, and the order of a sum would depend on the machine.
torch.set_num_threads(1)

# tqdm's own lock is shared with forked children: if a test kills one while it holds the lock, later tests hang.
tqdm.set_lock(threading.RLock())

# What tests write need not outlast the machine. To wait for the disk takes a run of a second a tenth of it.
os.fsync = lambda fd: None


@pytest.fixture(autouse=True)
def _no_anomaly_detection() -> None:
    """Importing RecBole's sequential models, as some tests do, switches it on for the whole process."""
    torch.autograd.set_detect_anomaly(False)
