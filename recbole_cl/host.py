"""What the host knows of a batch, so that it need not wait for a device to learn it.

Letters: B rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from recbole.data.interaction import Interaction
from torch import Tensor


class HostLengths(NamedTuple):
    """Lengths of rows, on the host.

    Attributes:
        values: The lengths, or bounds that they do not exceed. Shape [B], int64.
        exact: Whether they are the lengths.
    """

    values: NDArray[np.int64]
    exact: bool = True

    def at_most(self) -> HostLengths:
        """The same as bounds: for rows that were made from these and are not longer."""
        return HostLengths(self.values, False)

    @property
    def total(self) -> int | None:
        """Items of all rows together; None if only bounds are known."""
        return int(self.values.sum()) if self.exact else None


class HostedInteraction(Interaction):
    """A batch on a device, of which the host knows how long rows are.

    Args:
        fields: The batch.
        lengths: Host copies of the fields that hold lengths, by their names.
    """

    def __init__(self, fields: Mapping[str, Tensor], lengths: Mapping[str, HostLengths]) -> None:
        super().__init__(dict(fields))
        self.lengths = lengths

    def to(self, device: torch.device, selected_field: Any = None) -> HostedInteraction:
        """RecBole's ``to``; what the host knows stays on the host."""
        moved = super().to(device, selected_field)
        return HostedInteraction(moved.interaction, self.lengths)


def waits_for(device: torch.device) -> bool:
    """Whether the host waits to read a tensor there."""
    return device.type != "cpu"


def send(values: Tensor, device: torch.device) -> Tensor:
    """Copies a tensor of the host to a device, for which the host does not wait."""
    if device.type == "cuda":
        values = values.pin_memory()
    return values.to(device, non_blocking=True)
