"""Networks that learn to augment representations, and the contrast that trains them.

Letters: B rows, D hidden size.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recbole_cl.errors import UsageError
from recbole_cl.loss.info_nce import info_nce
from recbole_cl.loss.similarity_margin import similarity_margin

LossTerms = Callable[[], Mapping[str, Tensor]]


class Augmenter(nn.Module):
    """D -> D / 2 -> D / 4 -> D, with a GELU after the first two layers, normalised to length one.

    Reference:
        The augmenters of Qin et al. (MCLRec), SIGIR 2023, as in the authors' code.

    Args:
        hidden_size: D, at least 4.
        generator: Source of the initial weights, which are uniform, like those of torch's linear layers.

    Raises:
        UsageError: If D is below 4.
    """

    def __init__(self, hidden_size: int, generator: torch.Generator) -> None:
        super().__init__()
        if hidden_size < 4:
            raise UsageError(f"hidden_size = {hidden_size}: learnt augmenters need 4 or more")
        widths = (hidden_size, hidden_size // 2, hidden_size // 4, hidden_size)
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(widths, widths[1:], strict=False))
        for layer, fan_in in zip(self.layers, widths, strict=False):
            bound = 1 / math.sqrt(fan_in)
            for parameter in layer.parameters():
                parameter.data.uniform_(-bound, bound, generator=generator)

    def forward(self, hidden: Tensor) -> Tensor:
        """Augments representations, [B, D] -> [B, D]."""
        first, second, third = self.layers
        return F.normalize(third(F.gelu(second(F.gelu(first(hidden))))), dim=1)


class Augmenters(nn.ModuleList):
    """Two augmenters: A for the first view, B for the second.

    Reference:
        MCLRec, as ``Augmenter``.

    Args:
        hidden_size: D, at least 4.
        generator: Source of the initial weights.
    """

    def __init__(self, hidden_size: int, generator: torch.Generator) -> None:
        super().__init__(Augmenter(hidden_size, generator) for _ in range(2))

    def contrast(self, z_a: Tensor, z_b: Tensor, regulariser_weight: float, temperature: float) -> Tensor:
        """Contrast with the augmenters' output for two views: the pairs (z_a, B z_b), (z_b, A z_a), (A z_a, B z_b).

        Args:
            z_a: First view. Shape [B, D].
            z_b: Second view. Shape [B, D].
            regulariser_weight: Weight of the penalty on margins; 0 for none.
            temperature: Temperature of that penalty. The contrasts use 1 and the dot product.

        Returns:
            Scalar, the sum over the pairs.
        """
        augmented_a, augmented_b = (augment(z) for augment, z in zip(self, (z_a, z_b), strict=True))
        pairs = [(z_a, augmented_b), (z_b, augmented_a), (augmented_a, augmented_b)]
        terms = [info_nce(*pair) for pair in pairs]
        if regulariser_weight:
            terms += [regulariser_weight * similarity_margin(*pair, temperature) for pair in pairs]
        return torch.stack(terms).sum()

    def in_turns(self, encoder_terms: LossTerms, own_terms: LossTerms) -> list[LossTerms]:
        """The steps of a batch: encoder, augmenters, encoder.

        Args:
            encoder_terms: The loss terms of an encoder step, which does not change the augmenters.
            own_terms: The loss terms of the augmenters' step; they must not depend on other parameters.
        """

        def encoder() -> Mapping[str, Tensor]:
            self.requires_grad_(False)
            terms = encoder_terms()
            self.requires_grad_(True)
            return terms

        return [encoder, own_terms, encoder]
