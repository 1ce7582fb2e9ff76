"""A gated recurrent encoder over packed rows, with the same interface as the Transformer.

Letters: T packed items, R rows, W wanted outputs, D hidden size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from recbole_cl import host
from recbole_cl.encoder.dropout import Dropout
from recbole_cl.encoder.packing import Group, Packing
from recbole_cl.encoder.registry import Abilities, EncoderSettings, SequenceEncoder
from recbole_cl.ragged import offsets, row_numbers


class GRUEncoder(SequenceEncoder):
    """Dropout on the items, gated recurrent layers, and a linear layer on the wanted states.

    All rows advance together, step by step, and drop out when they end: no work on padding. Where id 0 occurs among a
    row's items, or before them, the state does not change (it starts at zero), just as attention ignores these
    positions. On a GPU, ids 0 are read after the row's items instead, where no output is used: otherwise the host would
    have to wait for their number.

    Reference:
        Hidasi, Karatzoglou, Baltrunas and Tikk, "Session-based Recommendations with Recurrent Neural Networks", ICLR
        2016, section 3.1.

    Args:
        settings: Sizes and probabilities. It uses ``n_layers`` (1 in GRU4Rec), ``hidden_size`` and
            ``hidden_dropout_prob``, the probability of dropping elements of the item vectors.
        generator: Source of the dropout masks on the CPU.

    Note:
        With the same weights, equal to RecBole 1.2.1's GRU4Rec up to rounding: no biases in the recurrence. There are
        no positions; only the order of the items matters.
    """

    abilities: ClassVar = Abilities(counts_positions=False, needs_heads=False, can_be_compiled=False, is_causal=True)

    def __init__(self, settings: EncoderSettings, generator: torch.Generator | None = None) -> None:
        super().__init__(settings, generator)
        size = settings.hidden_size
        self.dropout = Dropout(settings.hidden_dropout_prob, generator)
        self.recurrence = nn.GRU(size, size, settings.n_layers, bias=False)
        self.output = nn.Linear(size, size)

    def forward(self, tokens: Tensor, packing: Packing) -> Tensor:
        steps = _steps(packing.groups, len(tokens))
        items = self.dropout(tokens)
        if steps.items is not None:
            items = items.index_select(0, steps.items)
        data = torch.empty_like(items).index_copy(0, steps.write, items)
        states = self.recurrence(PackedSequence(data, steps.sizes))[0].data  # [N, D]
        read, begun = steps.read, steps.begun
        if packing.wanted is not None:
            read = read.index_select(0, packing.wanted)
            begun = None if begun is None else begun.index_select(0, packing.wanted)
        states = states.index_select(0, read)
        if begun is not None:
            states = states * begun.unsqueeze(-1)
        return self.output(states)


class _Steps(NamedTuple):
    """Packed items in the order of a recurrence: step after step, and within each step the longest rows first.

    Attributes:
        items: The packed items that are read, [N]; None for all.
        write: The target index of each of these, a permutation, [N].
        read: The index of the state after each packed item, [T].
        begun: Whether the row has had an item by then, [T]; None if this holds everywhere.
        sizes: Number of rows at each step, on the host.
    """

    items: Tensor | None
    write: Tensor
    read: Tensor
    begun: Tensor | None
    sizes: Tensor


def _steps(groups: Sequence[Group], n_tokens: int) -> _Steps:
    length = torch.cat([group.lengths for group in groups])  # [R]
    row = row_numbers(length, n_tokens)  # [T]
    start = offsets(length)
    place = torch.arange(n_tokens, device=length.device) - start[row]
    if all(group.barred is None for group in groups):
        sizes, own_sizes = _sizes(groups)
        write = _slots(place, row, length, own_sizes)
        return _Steps(None, write, write, None, sizes)
    real = torch.cat([group.real for group in groups])  # [T]
    total = real.long().cumsum(0)
    count = total - (total - real.long())[start][row]  # [T] number of items of the row so far
    begun = count > 0
    own = count[start + length - 1]  # [R] number of items in each row
    newest = (count - 1).clamp(min=0)
    if not host.waits_for(real.device) and bool(real.any()):
        sizes = (own.unsqueeze(1) > torch.arange(int(own.max()))).sum(0)
        read = _slots(newest, row, own, sizes) * begun
        items = real.nonzero().squeeze(1)
        return _Steps(items, read.index_select(0, items), read, begun, sizes)
    sizes, own_sizes = _sizes(groups)
    taken = torch.where(real, newest, own[row] + place - count)  # a row's items first, then its ids 0
    write, read = (_slots(step, row, length, own_sizes) for step in (taken, newest))
    return _Steps(None, write, read, begun, sizes)


def _slots(step: Tensor, row: Tensor, length: Tensor, sizes: Tensor) -> Tensor:
    """Indices in the order of the recurrence, [T], for steps [T] of rows [T] with lengths [R]."""
    rank = torch.empty_like(length)
    rank[length.argsort(descending=True, stable=True)] = torch.arange(len(length), device=length.device)
    first = offsets(sizes)  # start of each step
    return first[step] + rank[row]


def _sizes(groups: Sequence[Group]) -> tuple[Tensor, Tensor]:
    """Number of rows at each step, on the host and on the device; without waiting if rows fill their rectangles."""
    width = max(group.width for group in groups)
    ours = torch.zeros(width, dtype=torch.long)
    own = ours if groups[0].seq_len.is_cpu else torch.zeros(width, dtype=torch.long, device=groups[0].seq_len.device)
    for sizes in (ours,) if own is ours else (ours, own):
        for group in groups:
            if group.slots is None:
                sizes[: group.width] += group.n_rows
            else:
                seq_len = group.seq_len.to(sizes.device)
                sizes += (seq_len.unsqueeze(1) > torch.arange(width, device=sizes.device)).sum(0)
    return ours, own
