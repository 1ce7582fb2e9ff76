"""A learnt penalty on the scores of items that the row already contains.

Letters: B rows, L columns, T targets, D hidden size, N items (padding row 0 included), m items of a block.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from recbole_cl.batch import Batch
from recbole_cl.errors import UsageError
from recbole_cl.ragged import places_of_items


class HistoryPenalty(nn.Module):
    r"""Lowers the scores of a row's items by :math:`w^\top h + b`, where h is the state that gives the scores.

    A product of one state with one vector per item ranks items that are similar to the row's highly, and thus the
    row's own items as well. Where users seldom repeat, these occupy the first ranks.

    Reference:
        In the spirit of softmax-CPR (Chang, Agarwal and McCallum, "To Copy, or not to Copy; That is a Critical Issue
        of the Output Softmax Layer in Neural Sequential Recommenders", WSDM 2024), which computes the scores of the
        input's items from a second state. Here they only differ by one number for each state.

    Args:
        hidden_size: D.
        n_items: N.
    """

    def __init__(self, hidden_size: int, n_items: int) -> None:
        super().__init__()
        self.penalty = nn.Linear(hidden_size, 1)
        self.n_items = n_items

    def forward(self, hidden: Tensor) -> Tensor:
        """The penalty of each state, [T, D] -> [T]."""
        penalty: Tensor = self.penalty(hidden).squeeze(-1)
        return penalty

    def lower(self, scores: Tensor, hidden: Tensor, item_seq: Tensor, first: int = 0) -> Tensor:
        """Subtracts the penalty from the scores of the rows' items.

        Args:
            scores: Scores of the items from ``first`` on. Shape [B, m].
            hidden: The states that gave them. Shape [B, D].
            item_seq: The rows, 0 for padding. Shape [B, L].
            first: Item of the first column.

        Returns:
            [B, m].
        """
        m, column = scores.shape[1], item_seq - first
        column = torch.where((item_seq > 0) & (column >= 0) & (column < m), column, m)  # m: a column that is dropped
        marks = scores.new_zeros(scores.shape[0], m + 1).scatter(1, column, 1.0)[:, :m]  # len() would fix it in ONNX
        return scores - self(hidden).to(scores.dtype).unsqueeze(1) * marks

    def histories(self, batch: Batch, n_targets: int) -> Tensor:
        """The items of the row before each target of a batch.

        Args:
            batch: The training batch.
            n_targets: T, number of states that the caller has.

        Returns:
            Item ids, each once in a row; N where there is none. Shape [T, L].

        Raises:
            UsageError: If the states are not those of the batch's targets.
        """
        items = distinct_items(batch.item_seq, self.n_items)
        if batch.next_items is not None:
            width = items.shape[1]
            place = batch.target_place
            place = places_of_items(batch.seq_len, width) if place is None else place
            later = torch.arange(width, device=place.device) > (place % width).unsqueeze(1)
            items = items.index_select(0, place // width).masked_fill_(later, self.n_items)
        if len(items) != n_targets:
            raise UsageError(
                f"history_penalty = True: the states of {n_targets} targets are not those of the batch's {len(items)}; "
                "set it to False"
            )
        return items


def distinct_items(item_seq: Tensor, n_items: int) -> Tensor:
    """The items of each row without repetitions: N replaces padding and every further occurrence, [B, L] -> [B, L]."""
    value, place = item_seq.sort(dim=1, stable=True)  # the first occurrence stays the first
    again = torch.zeros_like(item_seq, dtype=torch.bool).scatter(1, place[:, 1:], value[:, 1:] == value[:, :-1])
    return item_seq.masked_fill(again | (item_seq == 0), n_items)
