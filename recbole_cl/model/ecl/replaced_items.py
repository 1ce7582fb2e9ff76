"""Replaced-item detection: where altered rows differ from their originals, and having a discriminator find it.

Letters: B rows, L columns, T items of all altered rows together, D hidden size.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recbole_cl.batch import Rows
from recbole_cl.model.ecl.discriminator import ConditionalDiscriminator
from recbole_cl.ragged import columns, last_places, offsets


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


def compare(original: Rows, altered: Rows, right_aligned: bool) -> Comparison:
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
        altered: Their altered versions, with lengths of their own; with ``places`` nobody waits for the device.
        right_aligned: Whether positions count from the newest item or from the oldest.

    Shape:
        Rows [B, L] and lengths [B] each.

    Returns:
        The comparison. Without ``places`` it waits for the device once, for T depends on the lengths.
    """
    column = columns(original.item_seq)
    shift = (original.seq_len - altered.seq_len if right_aligned else torch.zeros_like(altered.seq_len)).unsqueeze(1)
    source = column + shift  # [B, L]
    exists = (source >= 0) & (source < original.seq_len.unsqueeze(1))
    there = original.item_seq.gather(1, source.clamp(0, len(column) - 1))
    start = offsets(original.seq_len).unsqueeze(1)
    counterpart = torch.where(exists, start + source, original.seq_len.sum())
    place = altered.item_places()  # [T]
    replaced = ~exists | (there != altered.item_seq)
    return Comparison(place, *(part.flatten().index_select(0, place) for part in (counterpart, replaced)))


class Judged(NamedTuple):
    """What a discriminator says of altered rows, for all their items, row after row.

    Attributes:
        logits: Log-odds that an item is replaced, [T].
        replaced: Whether it is, [T], bool.
    """

    logits: Tensor
    replaced: Tensor


def judge(
    discriminator: ConditionalDiscriminator,
    encoder: nn.Module,
    item_embedding: nn.Embedding,
    states: Tensor,
    original: Rows,
    altered: Rows,
    group_by_length: bool,
    last_position: int | None,
) -> Judged:
    """Has a discriminator find the replaced items of altered rows, given how the originals were encoded.

    Args:
        discriminator: The discriminator.
        encoder: What it encodes with.
        item_embedding: The item table.
        states: The encoder's outputs at all real positions of the originals, row after row. [T, D].
        original: The rows as they were.
        altered: The rows as they are now; with ``places`` the host need not wait for the device.
        group_by_length: As for ``pack``.
        last_position: As for ``pack``; None: positions count from the oldest item.

    Returns:
        The judgement and the truth.
    """
    place, counterpart, replaced = compare(original, altered, last_position is not None)
    items = item_embedding(altered.item_seq.flatten().index_select(0, place))
    if discriminator.condition == "add_all":
        condition = F.pad(states, (0, 0, 0, 1)).index_select(0, counterpart)  # zeros where there is no counterpart
    else:
        condition = states.index_select(0, last_places(original.seq_len))
    rows = altered._replace(places=place)
    return Judged(discriminator(encoder, items, condition, rows, group_by_length, last_position), replaced)
