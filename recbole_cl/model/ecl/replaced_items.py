"""Replaced-item detection: finds where altered rows differ from their originals, and runs a discriminator on them.

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
    """The item at the same position of the original row, for each item of altered rows, row after row.

    Attributes:
        place: Flat positions of the altered items, [T].
        counterpart: Index of the original's item at the same position, among the items of all originals, row after row;
            the number of these items if the original has none there, [T].
        replaced: Whether the item differs from the original's there, or the original has none, [T], bool.
    """

    place: Tensor
    counterpart: Tensor
    replaced: Tensor


def compare(original: Rows, altered: Rows, right_aligned: bool) -> Comparison:
    """Compares altered rows with their originals, position by position.

    "Replaced" is used literally, as in the paper's formula: at position t the altered row has another item than the
        original, or the original has none. If the length does not change (substitution, reorder), the changed items are
        replaced. After an insertion, a deletion or a crop, all shifted items are replaced, too, unless they equal the
        original item at their new position. Which items shift depends on the end from which positions are counted: with
        ``right_aligned``, an inserted or removed item shifts the older ones; otherwise it shifts the newer ones.

    Reference:
        Zhou et al., Equivariant Contrastive Learning for Sequential Recommendation (ECL-SR), RecSys 2023, Eq. 15.

    Args:
        original: Right padded rows.
        altered: Their altered versions, with their own lengths; with ``places`` the host does not wait for the device.
        right_aligned: Whether positions are counted from the newest item instead of the oldest.

    Shape:
        Rows [B, L] and lengths [B] each.

    Returns:
        The comparison. Without ``places`` it waits for the device once, because T depends on the lengths.
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
    """A discriminator's judgement of altered rows, for all their items, row after row.

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
    """Lets a discriminator detect the replaced items of altered rows, given the encodings of the originals.

    Args:
        discriminator: The discriminator.
        encoder: The encoder that it uses.
        item_embedding: The item table.
        states: The encoder's outputs at all real positions of the originals, row after row. [T, D].
        original: The original rows.
        altered: The altered rows; with ``places`` the host need not wait for the device.
        group_by_length: As for ``pack``.
        last_position: As for ``pack``; None: positions are counted from the oldest item.

    Returns:
        The judgement, and the correct answers.
    """
    place, counterpart, replaced = compare(original, altered, last_position is not None)
    items = item_embedding(altered.item_seq.flatten().index_select(0, place))
    if discriminator.condition == "add_all":
        condition = F.pad(states, (0, 0, 0, 1)).index_select(0, counterpart)  # zeros where there is no counterpart
    else:
        condition = states.index_select(0, last_places(original.seq_len))
    rows = altered._replace(places=place)
    return Judged(discriminator(encoder, items, condition, rows, group_by_length, last_position), replaced)
