"""Items from the other rows of a batch. Letters: B rows, L columns, K draws for each row, T items of all rows."""

from __future__ import annotations

import torch
from torch import Tensor

from recbole_cl.ragged import offsets


def items_of_other_rows(item_seq: Tensor, seq_len: Tensor, n_per_row: int, generator: torch.Generator) -> Tensor:
    """Draws items uniformly, with replacement, from all items of a batch's other rows.

    An item's probability is proportional to its number of occurrences there; it may also occur in the row itself.

    Args:
        item_seq: Right-padded rows. Shape [B, L].
        seq_len: Their lengths, 1..L. Shape [B].
        n_per_row: K.
        generator: Source of randomness, on the rows' device.

    Returns:
        The items; 0 where there is no other row. Shape [B, K].
    """
    if len(seq_len) == 1:
        return item_seq.new_zeros(1, n_per_row)
    start, end = offsets(seq_len).unsqueeze(1), seq_len.cumsum(0)
    others = end[-1] - seq_len.unsqueeze(1)  # [B, 1]
    place = torch.randint(2**62, (len(seq_len), n_per_row), generator=generator, device=item_seq.device) % others
    place += (place >= start) * seq_len.unsqueeze(1)  # index among all T items, skipping the row's own
    row = torch.searchsorted(end, place, right=True)
    return item_seq[row, place - start.squeeze(1)[row]]
