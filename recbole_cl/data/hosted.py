"""RecBole's batches, with what the host knows of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from recbole.data.interaction import Interaction
from torch import Tensor

from recbole_cl.host import HostLengths


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
