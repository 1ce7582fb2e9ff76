"""Augmentations that a detector is to notice, and where an altered row differs from its original.

Letters: B rows, L columns, T items of all altered rows together, N items (padding row 0 included).
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from recbole_cl.augmentation.crop import crop
from recbole_cl.augmentation.positions import choose_positions, columns, pack, places_of_items, real_items
from recbole_cl.augmentation.reorder import reorder
from recbole_cl.augmentation.view import View
from recbole_cl.loss.recommendation import uniform_negatives_outside

Strategy = Literal["sample", "prob"]
ALTERATIONS = ("substitution", "insert", "delete", "crop", "reorder")


def choose_altered(
    item_seq: Tensor,
    seq_len: Tensor,
    generator: torch.Generator,
    *,
    ratio: float,
    strategy: Strategy,
    spare_first: bool = True,
) -> Tensor:
    """Chooses the items of each row that are to be masked, replaced or the like.

    * ``sample``: int(ratio * n + 1) items of a row of n, or all but the first if that is less;
    * ``prob``: each item with probability ``ratio``, from the oldest to the newest, until ratio * L + 1 are reached;
      the newest one if it would be none. It spares a row's first item, or, as the authors, that of full rows only.

    Reference:
        Zhou et al., Equivariant Contrastive Learning for Sequential Recommendation (ECL-SR), RecSys 2023, section 3.3;
        the two strategies and their counts are the authors' code's.

    Args:
        item_seq: Right padded rows; only their shape and device are used.
        seq_len: Row lengths n, in 1..L.
        generator: Source of randomness, on the rows' device.
        ratio: Share of the row, in [0, 1]: 0.2 to 0.6 in ECL-SR.
        strategy: One of the two.
        spare_first: Whether ``prob`` spares the first item of every row, and so all of a row of one item.

    Shape:
        ``item_seq`` [B, L]; ``seq_len`` [B]; the result [B, L], bool.

    Returns:
        True at the chosen positions.

    Raises:
        ValueError: If ``ratio`` is outside [0, 1] or ``strategy`` is unknown.

    Note:
        The authors' ``sample`` fails on a row of one item, where nothing is chosen here.
    """
    if not 0 <= ratio <= 1:
        raise ValueError(f"ratio {ratio} is outside [0, 1]: give the share of items per row, for example 0.2")
    if strategy not in get_args(Strategy):
        raise ValueError(f"strategy {strategy!r} is unknown: use 'sample' or 'prob'")
    if strategy == "sample":
        count = torch.minimum((seq_len.double() * ratio + 1).long(), seq_len - 1)
        return F.pad(choose_positions(item_seq[:, 1:], seq_len - 1, count, generator), (1, 0))
    column, width = columns(item_seq), item_seq.shape[1]
    spared = (column == 0) & (spare_first | (seq_len.unsqueeze(1) == width))
    eligible = real_items(item_seq, seq_len) & ~spared  # [B, L]
    drawn = eligible & (torch.rand(item_seq.shape, generator=generator, device=item_seq.device) < ratio)
    drawn &= drawn.cumsum(1) <= math.ceil(ratio * width + 1)
    newest = eligible & (column == seq_len.unsqueeze(1) - 1)
    return drawn | (newest & ~drawn.any(1, keepdim=True))


def alter(
    item_seq: Tensor,
    seq_len: Tensor,
    generator: torch.Generator,
    *,
    how: str,
    ratio: float,
    strategy: Strategy,
    n_items: int,
) -> View:
    """Alters rows at random.

    * ``substitution``: chosen items (``choose_altered``, but the first) make way for items that are not in the row,
      drawn uniformly;
    * ``insert``: such an item comes right before each chosen one, and the newest L stay;
    * ``delete``: chosen items go;
    * ``crop``: a contiguous part of int((1 - ratio) * n) items, at least one, is all that stays;
    * ``reorder``: a contiguous part of ceil(ratio * n) items is shuffled.

    Reference:
        Zhou et al., Equivariant Contrastive Learning for Sequential Recommendation (ECL-SR), RecSys 2023, Eq. 2-6.

    Args:
        item_seq: Right padded rows; never written to.
        seq_len: Row lengths n, in 1..L.
        generator: Source of randomness, on the rows' device.
        how: One of the above.
        ratio: Share of the row that is altered, in [0, 1]: 0.2 in ECL-SR.
        strategy: How the items of the first three are chosen.
        n_items: N; for the first two a row must leave an item free.

    Shape:
        ``item_seq`` [B, L]; ``seq_len`` [B].

    Returns:
        The altered rows, as new tensors.

    Raises:
        ValueError: If ``how`` or ``strategy`` is unknown, or ``ratio`` is outside [0, 1].

    Note:
        The paper's crop has a ratio of 0.8, of a part that its text removes and its equation keeps: here, as in
        CL4SRec's code, 0.8 stays at a ratio of 0.2.
    """
    if how not in ALTERATIONS:
        raise ValueError(f"how {how!r} is unknown: use one of {', '.join(ALTERATIONS)}")
    if how == "crop":
        return crop(item_seq, seq_len, generator, ratio=1 - ratio)
    if how == "reorder":
        return reorder(item_seq, seq_len, generator, ratio=ratio, rounding="ceil")
    chosen = choose_altered(item_seq, seq_len, generator, ratio=ratio, strategy=strategy)
    real, width = real_items(item_seq, seq_len), item_seq.shape[1]
    if how == "delete":
        return View(*pack(item_seq, real & ~chosen, width))
    others = uniform_negatives_outside(item_seq, n_items, width, generator)  # [B, L]
    if how == "substitution":
        return View(torch.where(chosen, others, item_seq), seq_len.clone())
    items = torch.stack((others, item_seq), dim=2).flatten(1)  # [B, 2L]: each item after another one
    return View(*pack(items, torch.stack((chosen, real), dim=2).flatten(1), width))


class Comparison(NamedTuple):
    """What stands at the same place of the original row, for each item of altered rows, row after row.

    Attributes:
        place: Where the altered items stand in the flattened rows, [T].
        counterpart: Number of the original's item at the same place, among those of all originals, row after row; their
            number itself where the original has none, [T].
        replaced: Whether the item is another one than the original's there, or the original has none, [T], bool.
    """

    place: Tensor
    counterpart: Tensor
    replaced: Tensor


def compare(original: View, altered: View, right_aligned: bool, place: Tensor | None = None) -> Comparison:
    """Compares altered rows with their originals, position by position.

    "Replaced" is meant literally, as in the paper's formula: the altered row has another item at position t than the
    original, or the original has none there. Where the length stays (substitution, reorder), the items that changed are
    replaced. After an insertion, a deletion or a crop so are all items that have shifted, unless they equal what stood
    at their new position. Which ones shift depends on where positions count from: with ``right_aligned``, an item put
    into a row, or taken out, shifts the older ones; otherwise the newer ones.

    Reference:
        Zhou et al., Equivariant Contrastive Learning for Sequential Recommendation (ECL-SR), RecSys 2023, Eq. 15.

    Args:
        original: Right padded rows.
        altered: Their altered versions, with lengths of their own.
        right_aligned: Whether positions count from the newest item or from the oldest.
        place: Where the altered items stand in the flattened rows, if it is known already.

    Shape:
        Rows [B, L] and lengths [B] each; ``place`` [T].

    Returns:
        The comparison. Without ``place`` it waits for the device once, for T depends on the lengths.
    """
    column = columns(original.item_seq)
    shift = (original.seq_len - altered.seq_len if right_aligned else torch.zeros_like(altered.seq_len)).unsqueeze(1)
    source = column + shift  # [B, L]
    exists = (source >= 0) & (source < original.seq_len.unsqueeze(1))
    there = original.item_seq.gather(1, source.clamp(0, len(column) - 1))
    start = (original.seq_len.cumsum(0) - original.seq_len).unsqueeze(1)
    counterpart = torch.where(exists, start + source, original.seq_len.sum())
    place = places_of_items(altered.seq_len, len(column)) if place is None else place  # [T]
    replaced = ~exists | (there != altered.item_seq)
    return Comparison(place, *(part.flatten().index_select(0, place) for part in (counterpart, replaced)))
