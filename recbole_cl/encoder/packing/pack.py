"""Packs the rows of a batch end to end, so that an encoder does no work on padding."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F

from recbole_cl import host
from recbole_cl.batch import Rows
from recbole_cl.encoder.packing.grouped import pack_grouped
from recbole_cl.encoder.packing.layout import Packing
from recbole_cl.encoder.packing.planned import pack_planned
from recbole_cl.encoder.packing.whole import pack_whole


def pack(
    segments: Sequence[Rows], group_by_length: bool, last_position: int | None = None, padding_first: bool = False
) -> Packing:
    """Packs the rows of all segments into one sequence of items, so that one pass encodes them all.

    Rows do not attend to each other, so their order is free. With ``group_by_length`` they are sorted by length,
        padding is dropped, and rows of equal or nearly equal length form an attention group. On a device that the host
        would have to wait for, a few wide groups are planned from the lengths that the host knows. Without grouping,
        every row keeps all its columns and each kind of segment is one group: more arithmetic, but fixed shapes, which
        a compiler needs. Causal attention over right-padded rows never reads padding, so all variants give the same
        outputs.

    Args:
        segments: Views to encode together. Only with ``group_by_length`` may they differ in their number of columns.
        group_by_length: Whether to drop padding and group rows by length.
        last_position: Position of each row's newest item, at least L - 1; None gives the oldest item position 0.
        padding_first: Whether every row is packed with all its columns, padding before its items, whichever outputs are
            wanted; positions are then those columns. For encoders whose outputs depend on padding.

    Returns:
        The packing; encoder outputs of segment i are ``output[packing.outputs[i]]``.

    Raises:
        ValueError: If there is no segment; or if their numbers of columns differ without grouping or on such a device.
    """
    if not segments:
        raise ValueError("nothing to pack: give at least one segment of rows")
    if padding_first:
        return pack_whole(segments, None, padding_first=True)
    if group_by_length and host.waits_for(segments[0].seq_len.device):
        return pack_planned(segments, last_position)
    return (pack_grouped if group_by_length else pack_whole)(segments, last_position)


def padded(rows: Rows, width: int) -> Rows:
    """The same rows with ``width`` columns, at least as many as they have."""
    missing = width - rows.item_seq.shape[1]
    return rows._replace(item_seq=F.pad(rows.item_seq, (0, missing)), places=None) if missing else rows
