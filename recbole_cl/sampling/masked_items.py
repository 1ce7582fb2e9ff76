"""Items that stand in for masked ones. Letters: C masked positions, N items (padding row 0 included)."""

from __future__ import annotations

import torch
from torch import Tensor


def choose_items(logits: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """An item for each row of logits, never the padding.

    Args:
        logits: Scores of all items. Shape [C, N], N >= 2.
        generator: Draws each item in proportion to its softmax probability; None takes the most probable one.

    Returns:
        Items 1 to N - 1, int64. Shape [C].
    """
    real = logits[:, 1:]
    if generator is None:
        return real.argmax(dim=1) + 1
    return torch.multinomial(real.float().softmax(dim=1), 1, generator=generator).squeeze(1) + 1
