"""Information about a batch on the host, which avoids waiting for a device. RecBole is not imported.

Letters: B rows.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class HostLengths(NamedTuple):
    """Lengths of rows, on the host.

    Attributes:
        values: The lengths, or upper bounds of them. Shape [B], int64.
        exact: Whether they are the lengths.
    """

    values: NDArray[np.int64]
    exact: bool = True

    def at_most(self) -> HostLengths:
        """The same values as upper bounds: for rows that were made from these and are not longer."""
        return HostLengths(self.values, False)

    @property
    def total(self) -> int | None:
        """Number of items in all rows together; None if only bounds are known."""
        return int(self.values.sum()) if self.exact else None


def waits_for(device: torch.device) -> bool:
    """Whether the host has to wait to read a tensor on this device."""
    return device.type != "cpu"


def send(values: Tensor, device: torch.device) -> Tensor:
    """Copies a tensor from the host to a device, without waiting for the copy."""
    if device.type == "cuda":
        values = values.pin_memory()
    return values.to(device, non_blocking=True)
