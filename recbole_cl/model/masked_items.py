"""Masked items: which item a generator puts in their place, and how well it recovers them.

Letters: M masked positions of all rows, D hidden size, N items (rows of the table, padding row 0 included).
"""

from __future__ import annotations

import torch
from torch import Tensor

from recbole_cl.loss.chunked import chunked_cross_entropy, default_chunk_rows
from recbole_cl.sampling.masked_items import choose_items


def generate_items(
    hidden: Tensor, item_table: Tensor, generator: torch.Generator | None = None, power: float = 1.0
) -> Tensor:
    """Chooses an item, never the padding, for every masked position; no gradients, and few logits in memory.

    Args:
        hidden: States at the masked positions.
        item_table: Item embeddings; pass a slice to exclude a mask token.
        generator: Draws each item in proportion to a power of its softmax probability; None takes the most probable
            one.
        power: Exponent of the probabilities, > 0.

    Shape:
        hidden: [M, D], any M; item_table: [N, D], N >= 2; result: [M], int64.

    Returns:
        Items 1 to N - 1.
    """
    chunks = hidden.detach().split(default_chunk_rows(len(item_table), hidden.device))
    table = item_table.detach().t()
    return torch.cat([choose_items(chunk @ table, generator, power) for chunk in chunks])


def generate_items_with_loss(
    hidden: Tensor, item_table: Tensor, target: Tensor, generator: torch.Generator | None = None
) -> tuple[Tensor, Tensor]:
    """``generate_items``, and the cross-entropy of the masked items, from logits that are computed only once.

    Reference:
        Zhou et al., "Equivariant Contrastive Learning for Sequential Recommendation" (ECL-SR), RecSys 2023, Eq. 14.

    Args:
        hidden: States at the masked positions.
        item_table: Item embeddings; pass a slice to exclude a mask token.
        target: The items that were masked.
        generator: Draws each item in proportion to its softmax probability; None takes the most probable one.

    Shape:
        hidden: [M, D], any M; item_table: [N, D], N >= 2; target: [M]; results: scalar and [M].

    Returns:
        The mean loss, with gradients for states and table, 0 if M is 0; and the items, 1 to N - 1.

    Note:
        The mean is over all masked positions of the batch, as in the authors' code; the paper has each row's mean. The
            softmax is over all rows of the table, so that padding is a class that is never correct.
    """
    items = torch.empty(len(hidden), dtype=torch.int64, device=hidden.device)
    if not len(hidden):
        return hidden.sum(), items

    def observe(rows: slice, logits: Tensor) -> None:
        items[rows] = choose_items(logits, generator)

    return chunked_cross_entropy(hidden, item_table, target, observe=observe), items
