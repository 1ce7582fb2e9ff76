"""Items that replace masked ones. Letters: C masked positions, N items (padding row 0 included)."""

from __future__ import annotations

import torch
from torch import Tensor


def choose_items(logits: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Chooses an item for each row of logits, never the padding.

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


def draw_items(logits: Tensor, generator: torch.Generator, power: float = 1.0) -> Tensor:
    """Draws an item for each row of logits, in proportion to a power of its softmax probability; never the padding.

    It draws one uniform number per row and looks it up in the cumulative probabilities; ``torch.multinomial`` would
    draw one number per logit.

    Args:
        logits: Scores of all items. Shape [C, N], N >= 2.
        generator: Source of the draws, on the logits' device.
        power: Exponent of the probabilities, > 0.

    Returns:
        Items 1 to N - 1, int64. Shape [C].
    """
    cumulative = (power * logits[:, 1:].float()).softmax(dim=1).cumsum(dim=1, dtype=torch.float64)
    uniform = torch.rand(len(logits), 1, generator=generator, device=logits.device, dtype=torch.float64)
    place = torch.searchsorted(cumulative, uniform * cumulative[:, -1:], right=True).squeeze(1)
    return place.clamp(max=logits.shape[1] - 2) + 1
