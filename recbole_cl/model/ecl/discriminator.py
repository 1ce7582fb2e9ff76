"""A discriminator that detects replaced items, given the encoding of the original row.

Letters: B rows, L columns, T items of all rows together, D hidden size.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recbole_cl.batch import Rows
from recbole_cl.encoder.packing import encode_vectors
from recbole_cl.ragged import offsets, row_numbers

CONDITIONS = ("add_all", "concat", "add_last", "attend")


class ConditionalDiscriminator(nn.Module):
    r"""Combines the original row's states with the items of an altered row, encodes them, and judges each item.

    With :math:`e_t` an item of the altered row, :math:`h_t` the original row's state at the same position and
    :math:`h_L` its last state, the encoder's input is

    * ``add_all``: :math:`e_t + h_t`
    * ``concat``: :math:`W [h_L; e_t]`
    * ``add_last``: :math:`e_t + h_L`
    * ``attend``: :math:`h_L, e_1, e_2, \ldots`, the condition as an item before the oldest one

    The encoder is passed to ``forward``, so that the model's own encoder can be used.

    Reference:
        Zhou et al., "Equivariant Contrastive Learning for Sequential Recommendation" (ECL-SR), RecSys 2023, section
        3.3, where the condition enters by "aggregation function such as concatenation"; these four are from the code.

    Args:
        condition: One of the four names.
        size: D.
        bidirectional: Whether the judgement of an item may depend on later items.

    Note:
        The authors put the condition of ``attend`` at position 0, followed by the padding of short rows. Here it comes
        right before the row's oldest item, wherever that is.
    """

    def __init__(self, condition: str, size: int, bidirectional: bool) -> None:
        super().__init__()
        self.condition = condition
        self.bidirectional = bidirectional
        self.join = nn.Linear(2 * size, size, bias=False) if condition == "concat" else None
        self.head = nn.Linear(size, 1, bias=False)

    def forward(
        self,
        encoder: nn.Module,
        items: Tensor,
        states: Tensor,
        rows: Rows,
        group_by_length: bool,
        last_position: int | None = None,
    ) -> Tensor:
        """Judges every item of altered rows.

        Args:
            encoder: Maps packed vectors and their packing to outputs; for ``attend`` it needs one more position than a
                row.
            items: Item vectors of the altered rows, row after row.
            states: The condition: for ``add_all`` the original's state for each item, otherwise its last state for each
                row.
            rows: The altered rows; ids are not read.
            group_by_length: As for ``pack``.
            last_position: Position of each row's newest item (one more for ``attend``); None gives the oldest item
                position 0.

        Shape:
            items: [T, D]; states: [T, D] or [B, D]; result: [T].

        Returns:
            Log-odds that an item is replaced.
        """
        here = None
        if self.condition == "attend":
            items, rows, here = _begin_with(states, items, rows)
            last_position = None if last_position is None else last_position + 1
        else:
            items = self._merge(items, states, rows.seq_len)
        hidden = encode_vectors(encoder, items, rows, group_by_length, last_position, self.bidirectional)
        judged: Tensor = self.head(hidden if here is None else hidden.index_select(0, here))
        return judged.squeeze(-1)

    def _merge(self, items: Tensor, states: Tensor, seq_len: Tensor) -> Tensor:
        """Items and condition merged into one vector per item, [T, D]."""
        if self.condition != "add_all":
            states = states.index_select(0, row_numbers(seq_len, len(items)))  # [T, D]
        if self.join is None:
            return items + states
        joined: Tensor = self.join(torch.cat((states, items), dim=1))
        return joined


def _begin_with(states: Tensor, items: Tensor, rows: Rows) -> tuple[Tensor, Rows, Tensor]:
    """Puts a state before each row: [T + B, D] vectors, the longer rows, and the indices of the items, [T]."""
    place = torch.arange(len(items), device=items.device) + row_numbers(rows.seq_len, len(items)) + 1
    first = offsets(rows.seq_len) + torch.arange(len(states), device=items.device)
    vectors = items.new_zeros(len(items) + len(states), items.shape[1])
    vectors = vectors.index_copy(0, place, items).index_copy(0, first, states)
    return vectors, Rows(F.pad(rows.item_seq, (1, 0)), rows.seq_len + 1), place
