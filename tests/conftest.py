"""What every test needs."""

from __future__ import annotations

import pytest
import torch

pytest.register_assert_rewrite("recbole_cl.testing.contract")

# The tensors here are tiny: threads only add time, and the order of a sum would depend on the machine.
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _no_anomaly_detection() -> None:
    """Importing RecBole's sequential models, as some tests do, switches it on for the whole process."""
    torch.autograd.set_detect_anomaly(False)
