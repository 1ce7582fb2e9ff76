"""Augmentations that a detector is to notice. Letters: B rows, L columns, N items (padding row 0 included)."""

from __future__ import annotations

import math
from typing import Literal, get_args

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from recbole_cl.augmentation.crop import crop
from recbole_cl.augmentation.positions import choose_positions
from recbole_cl.augmentation.reorder import reorder
from recbole_cl.batch import Rows
from recbole_cl.host import HostLengths
from recbole_cl.ragged import columns, compact, real_items
from recbole_cl.sampling.negatives import uniform_negatives_outside
from recbole_cl.sampling.other_rows import items_of_other_rows

Strategy = Literal["sample", "prob"]
ALTERATIONS = ("substitution", "insert", "delete", "crop", "reorder")
INSERT_FROM = ("catalogue", "other_rows")


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


def n_altered(host: HostLengths | None, *, ratio: float, strategy: Strategy) -> int | None:
    """How many items ``choose_altered`` chooses, as far as lengths tell.

    Args:
        host: What the host knows of the lengths.
        ratio: As there.
        strategy: As there.

    Returns:
        The number; None if it depends on the draw, or nobody knows the lengths.
    """
    if host is None or not host.exact or strategy != "sample":
        return None
    return int(np.minimum((host.values * ratio + 1).astype(np.int64), host.values - 1).sum())


def alter(
    item_seq: Tensor,
    seq_len: Tensor,
    generator: torch.Generator,
    *,
    how: str,
    ratio: float,
    strategy: Strategy,
    n_items: int,
    insert_from: str = "catalogue",
) -> Rows:
    """Alters rows at random.

    * ``substitution``: chosen items (``choose_altered``, but the first) make way for items that are not in the row,
      drawn uniformly;
    * ``insert``: such an item, or one of another row of the batch, comes right before each chosen one, and the newest
      L stay;
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
        n_items: N; where items that are not in the row are drawn, it must leave one free.
        insert_from: Where ``insert`` takes items from. ``catalogue``: those that are not in the row; ``other_rows``:
            all items of the batch's other rows, as often as they are there (the paper: "the interaction histories of
            other users"). A row that is alone stays as it is.

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
        return Rows(*compact(item_seq, real & ~chosen, width))
    if how == "insert" and insert_from == "other_rows":
        others = items_of_other_rows(item_seq, seq_len, width, generator)  # [B, L]
        chosen &= others > 0
    else:
        others = uniform_negatives_outside(item_seq, n_items, width, generator)  # [B, L]
    if how == "substitution":
        return Rows(torch.where(chosen, others, item_seq), seq_len.clone())
    items = torch.stack((others, item_seq), dim=2).flatten(1)  # [B, 2L]: each item after another one
    return Rows(*compact(items, torch.stack((chosen, real), dim=2).flatten(1), width))
