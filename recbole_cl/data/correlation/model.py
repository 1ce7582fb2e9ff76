"""Model-based item correlation, alone or combined with a memory-based one.

Letters: N items (padding row 0 included), D hidden size.
"""

from __future__ import annotations

import torch
from torch import Tensor

from recbole_cl.data.correlation.memory import TopOne
from recbole_cl.errors import UsageError

BLOCK_ENTRIES = 1 << 22  # number of products held at a time: 16 MiB in float32
BLOCK_WIDTH = 1 << 12  # limits the columns: a few long rows would read the whole item table for little work


def model_top_one(
    item_table: Tensor, n_items: int, *, block_entries: int = BLOCK_ENTRIES, block_width: int = BLOCK_WIDTH
) -> TopOne:
    """For each item, the other item with the highest dot product.

    Reference:
        Liu et al., Contrastive Self-supervised Sequential Recommendation with Robust Augmentation (CoSeRec), 2021,
        Eq. 10.

    Args:
        item_table: Item embeddings, floating point; row 0 and rows from N on are ignored.
        n_items: N.
        block_entries: Maximum number of products held at a time, at least 1.
        block_width: Maximum number of other items in a block, at least 1.

    Shape:
        ``item_table`` [N or more, D].

    Returns:
        The table, on the embeddings' device and without gradient; ties go to the lowest id. Its range covers all
            products of two real items, including an item's product with itself.

    Raises:
        UsageError: If the table has fewer than N rows or there are fewer than two real items.

    Note:
        The authors' code also treats the padding and mask rows as candidates, and includes them in the range. Like
        here, its range includes products of items with themselves: without them the upper end, and so the hybrid's
        choice, would differ.
    """
    if item_table.dim() != 2 or not 3 <= n_items <= len(item_table):
        raise UsageError(
            f"the item table has shape {list(item_table.shape)} for {n_items} ids: give a row for each of 3 ids or more"
        )
    real = item_table.detach()[1:n_items]
    width = min(len(real), block_entries, block_width)
    height = block_entries // width
    parts = [_best_of_rows(real, first, height, width) for first in range(0, len(real), height)]
    item, score, low, high = (torch.cat(part) for part in zip(*parts, strict=True))
    none = (torch.zeros_like(item[:1]), torch.full_like(score[:1], -torch.inf))
    return TopOne(
        torch.cat((none[0], item + 1)), torch.cat((none[1], score)).double(), float(low.min()), float(high.max())
    )


def hybrid(memory: TopOne, model: TopOne) -> Tensor:
    """For each item, the better of its memory-based and its model-based neighbour, by min-max normalised score.

    Reference:
        Liu et al., Contrastive Self-supervised Sequential Recommendation with Robust Augmentation (CoSeRec), 2021,
        Eq. 11.

    Args:
        memory: Memory-based correlations.
        model: Model-based correlations of the same items, on the same device.

    Returns:
        The chosen item of each id, int64, [N]; the memory-based one if scores are equal; 0 at row 0.

    Note:
        This is the authors' rule. It equals the paper's maximum over all items of the larger of the two scores, because
        the order of two maxima does not matter. An item without a memory-based score gets its model-based neighbour,
        since normalised model-based scores are never below 0.
    """
    return torch.where(memory.normalised() >= model.normalised(), memory.item, model.item)


def fill_missing(item: Tensor, generator: torch.Generator) -> Tensor:
    """Gives items without a neighbour a random item from those that have one.

    Args:
        item: The most correlated item of each id, 0 where there is none; some item must have one.
        generator: Source of randomness, on the table's device.

    Shape:
        ``item`` [N].

    Returns:
        The table, [N], with 0 at row 0 only. No item gets itself: items without a neighbour are never drawn.

    Note:
        The authors' code draws again at each look-up; here it is once per table.
    """
    known = item.nonzero().squeeze(1)
    drawn = known[torch.randint(len(known), item.shape, generator=generator, device=item.device)]
    filled = torch.where(item > 0, item, drawn)
    filled[0] = 0
    return filled


def _best_of_rows(real: Tensor, first: int, height: int, width: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Best other row and its product for ``height`` rows from ``first`` on, [n] each; lowest and highest products.

    Products are held for ``width`` columns at a time.
    """
    rows = real[first : first + height]
    score = rows.new_full((len(rows),), -torch.inf)
    item = torch.zeros(len(rows), dtype=torch.int64, device=rows.device)
    ends = []
    for begin in range(0, len(real), width):
        products = rows @ real[begin : begin + width].T
        ends.append(torch.stack(products.aminmax()))
        products.diagonal(first - begin).fill_(-torch.inf)  # an item with itself; most blocks have no such entry
        best = products.amax(dim=1)
        higher = (best > score).nonzero().squeeze(1)  # ever fewer rows; argmax costs more than amax
        item[higher] = products[higher].argmax(dim=1) + begin  # ties go to the lower id
        score = torch.maximum(best, score)
    low, high = torch.stack(ends, dim=1)
    return item, score, low, high
