"""RecBole's batches, together with host copies of their lengths."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from recbole.data.interaction import Interaction
from torch import Tensor

from recbole_cl.host import HostLengths


class HostedInteraction(Interaction):
    """A batch on a device whose row lengths are also known on the host.

    Args:
        fields: The batch.
        lengths: Host copies of the fields that hold lengths, by name.
    """

    def __init__(self, fields: Mapping[str, Tensor], lengths: Mapping[str, HostLengths]) -> None:
        super().__init__(dict(fields))
        self.lengths = lengths

    def to(self, device: torch.device, selected_field: Any = None) -> HostedInteraction:
        """RecBole's ``to``; the host copies stay on the host."""
        moved = super().to(device, selected_field)
        return HostedInteraction(moved.interaction, self.lengths)
