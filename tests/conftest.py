"""What every test needs."""

from __future__ import annotations

import torch

# The tensors here are tiny: threads only add time, and the order of a sum would depend on the machine.
torch.set_num_threads(1)
