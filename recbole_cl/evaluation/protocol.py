"""What a target competes with: the two history protocols, and what is to be said of ranking among sampled items."""

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


def not_comparable(mode: str) -> str:
    """What has to be said of every figure that is measured so.

    Args:
        mode: Such as ``pop100``.
    """
    return (
        f"ranked among sampled items ({mode}), which favours other models than ranking among all items does: "
        "not comparable with any figure measured otherwise"
    )
