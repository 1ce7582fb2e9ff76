"""The two history protocols: whether items that a user already had compete with the target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

HistorySetting = Literal["keep", "remove"]


@dataclass(frozen=True)
class Protocol:
    """One of the two.

    Attributes:
        name: What results call it.
        setting: The value of ``eval_history`` that asks for it.
    """

    name: str
    setting: HistorySetting


KEPT = Protocol("history_kept", "keep")
REMOVED = Protocol("history_removed", "remove")
PROTOCOLS = (KEPT, REMOVED)
