"""The competitors of a target: the two history protocols, and a warning about ranking among sampled items."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from recbole_cl.errors import UsageError

HistorySetting = Literal["keep", "remove"]


@dataclass(frozen=True)
class Protocol:
    """One of the two history protocols.

    Attributes:
        name: Its name in results.
        setting: The value of ``eval_history`` that selects it.
    """

    name: str
    setting: HistorySetting


KEPT = Protocol("history_kept", "keep")
REMOVED = Protocol("history_removed", "remove")
PROTOCOLS = (KEPT, REMOVED)


def protocol_of(setting: str) -> Protocol:
    """The protocol that a value of ``eval_history`` selects.

    Raises:
        UsageError: If it selects none.
    """
    for protocol in PROTOCOLS:
        if protocol.setting == setting:
            return protocol
    raise UsageError(f"eval_history = {setting}: expected {' or '.join(it.setting for it in PROTOCOLS)}")


def not_comparable(mode: str) -> str:
    """The warning that applies to every result measured in this mode.

    Args:
        mode: For example ``pop100``.
    """
    return (
        f"ranked among sampled items ({mode}), which favours other models than ranking among all items does: "
        "not comparable with any figure measured otherwise"
    )
