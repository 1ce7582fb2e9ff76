"""Items that replace masked ones. Letters: C masked positions, N items (padding row 0 included)."""

from __future__ import annotations

import torch
from torch import Tensor


def choose_items(logits: Tensor, generator: torch.Generator | None = None, power: float = 1.0) -> Tensor:
    """Chooses an item for each row of logits, never the padding.

    It draws one uniform number per row and looks it up in the cumulative probabilities; ``torch.multinomial`` would
    draw one number per logit, and fails above 2^24 items.

    Args:
        logits: Scores of all items. Shape [C, N], N >= 2.
        generator: Draws each item in proportion to a power of its softmax probability; on the logits' device. None
            takes the most probable one.
        power: Exponent of the probabilities, > 0.

    Returns:
        Items 1 to N - 1, int64. Shape [C].
    """
    real = logits[:, 1:]
    if generator is None:
        return real.argmax(dim=1) + 1
    cumulative = (power * real.float()).softmax(dim=1).cumsum(dim=1, dtype=torch.float64)
    uniform = torch.rand(len(real), 1, generator=generator, device=real.device, dtype=torch.float64)
    place = torch.searchsorted(cumulative, uniform * cumulative[:, -1:], right=True).squeeze(1)
    return place.clamp(max=real.shape[1] - 1) + 1
