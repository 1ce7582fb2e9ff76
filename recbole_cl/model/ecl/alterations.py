"""Augmentations that a detector should notice. Letters: B rows, L columns, N items (padding row 0 included)."""

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
    """Chooses the items of each row to mask, replace or otherwise alter.

    * ``sample``: int(ratio * n + 1) items of a row of n, or all but the first if that is less;
    * ``prob``: each item with probability ``ratio``, from the oldest to the newest, until ratio * L + 1 are reached; if
        none is chosen, the newest one is. The first item of a row is never chosen or, as in the authors' code, only
        that of full rows.

    Reference:
        Zhou et al., Equivariant Contrastive Learning for Sequential Recommendation (ECL-SR), RecSys 2023, section 3.3;
        the two strategies and their counts are those of the authors' code.

    Args:
        item_seq: Right padded rows; only their shape and device are used.
        seq_len: Row lengths n, in 1..L.
        generator: Source of randomness, on the rows' device.
        ratio: Share of the row, in [0, 1]: 0.2 to 0.6 in ECL-SR.
        strategy: ``sample`` or ``prob``.
        spare_first: Whether ``prob`` never chooses the first item of any row, so that rows of one item stay unchanged.

    Shape:
        ``item_seq`` [B, L]; ``seq_len`` [B]; the result [B, L], bool.

    Returns:
        True at the chosen positions.

    Raises:
        ValueError: If ``ratio`` is outside [0, 1] or ``strategy`` is unknown.

    Note:
        The authors' ``sample`` fails on a row of one item; here nothing is chosen in it.
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
    """The number of items that ``choose_altered`` chooses, if it can be derived from the lengths.

    Args:
        host: Host copies of the lengths.
        ratio: As for ``choose_altered``.
        strategy: As for ``choose_altered``.

    Returns:
        The number; None if it depends on the draw, or the lengths are unknown.
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

    * ``substitution``: chosen items (as in ``choose_altered``, without the first) are replaced by items that are not in
        the row, drawn uniformly;
    * ``insert``: such an item, or one from another row of the batch, is inserted before each chosen one, and the newest
        L items are kept;
    * ``delete``: chosen items are removed;
    * ``crop``: only a contiguous part of int((1 - ratio) * n) items, at least one, is kept;
    * ``reorder``: a contiguous part of ceil(ratio * n) items is shuffled.

    Reference:
        Zhou et al., Equivariant Contrastive Learning for Sequential Recommendation (ECL-SR), RecSys 2023, Eq. 2-6.

    Args:
        item_seq: Right padded rows; never modified.
        seq_len: Row lengths n, in 1..L.
        generator: Source of randomness, on the rows' device.
        how: One of the names above.
        ratio: Share of the row that is altered, in [0, 1]: 0.2 in ECL-SR.
        strategy: How the items are chosen for the first three.
        n_items: N; if items that are not in the row are drawn, at least one such item must exist.
        insert_from: Where ``insert`` takes items from. ``catalogue``: items that are not in the row; ``other_rows``:
            all items of the batch's other rows, weighted by frequency (the paper: "the interaction histories of other
            users"). If the batch has one row, it is not changed.

    Shape:
        ``item_seq`` [B, L]; ``seq_len`` [B].

    Returns:
        The altered rows, as new tensors.

    Raises:
        ValueError: If ``how`` or ``strategy`` is unknown, or ``ratio`` is outside [0, 1].

    Note:
        The paper's crop has a ratio of 0.8 for a part that its text removes and its equation keeps. Here, as in
        CL4SRec's code, 0.8 is kept at a ratio of 0.2.
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
    items = torch.stack((others, item_seq), dim=2).flatten(1)  # [B, 2L]: before each item another one
    return Rows(*compact(items, torch.stack((chosen, real), dim=2).flatten(1), width))
