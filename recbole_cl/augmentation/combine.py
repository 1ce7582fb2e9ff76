"""Two views of every row, each made by its own operator. Letters: B batch, L length, K operators."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import torch
from torch import Tensor

from recbole_cl.augmentation.registry import Operator
from recbole_cl.batch import Rows

UNCHANGED = -1  # used instead of an operator's number


def draw_two_views(
    item_seq: Tensor,
    seq_len: Tensor,
    operators: Mapping[str, Operator],
    generator: torch.Generator,
    *,
    distinct: bool,
    short_length: int = -1,
    short_operators: Collection[str] = (),
) -> tuple[Rows, Rows]:
    """Draws two operators for every row and applies each to the row, which gives two views.

    Example:
        >>> operators = {"crop": partial(crop, ratio=0.6), "mask": partial(mask, ratio=0.3, fill_id=n_items)}
        >>> view_a, view_b = draw_two_views(item_seq, seq_len, operators, generator, distinct=True)

    Reference:
        CL4SRec (Xie et al., ICDE 2022): two different operators. CoSeRec (Liu et al., 2021): one per view from a
        set that depends on the length. SRMA (Liu et al., 2022): one per view from one set.

    Args:
        item_seq: Right padded rows; never modified.
        seq_len: Row lengths, in 1..L.
        operators: The set to draw from, by name: two or more if ``distinct``. Operators must not modify their inputs.
        generator: Source of randomness, on the rows' device.
        distinct: True draws without replacement and leaves rows of one item unchanged (CL4SRec); False allows the same
            operator for both views (CoSeRec, SRMA).
        short_length: Rows of at most this many items are short: 4 to 20 in CoSeRec, -1 for none.
        short_operators: Names of the operators for short rows, as many; needed if ``short_length`` is not -1.

    Shape:
        ``item_seq`` [B, L]; ``seq_len`` [B]; each view has the same shapes.

    Returns:
        The two views, as new tensors.

    Raises:
        ValueError: If ``short_operators`` names none of ``operators``.
    """
    names = list(operators)
    allowed = torch.ones(seq_len.size(0), len(names), dtype=torch.bool, device=seq_len.device)  # [B, K]
    if short_length != -1:
        unknown = sorted(set(short_operators) - set(names))
        if unknown:
            raise ValueError(f"short_operators {unknown} are not among {sorted(names)}: name some of those")
        for number, name in enumerate(names):
            if name not in short_operators:
                allowed[:, number] = seq_len > short_length
    choice = _draw_distinct(allowed, generator) if distinct else _draw_each(allowed, generator)  # [2, B]
    if distinct:
        choice = choice.masked_fill(seq_len == 1, UNCHANGED)
    both = apply_per_row(
        item_seq.repeat(2, 1), seq_len.repeat(2), list(operators.values()), choice.flatten(), generator
    )
    items, lengths = both.item_seq.chunk(2), both.seq_len.chunk(2)
    return Rows(items[0], lengths[0]), Rows(items[1], lengths[1])


def apply_per_row(
    item_seq: Tensor, seq_len: Tensor, operators: Sequence[Operator], choice: Tensor, generator: torch.Generator
) -> Rows:
    """Applies to every row the operator that was chosen for it.

    Every operator runs on all rows: selecting its rows would make the host wait for the device.

    Args:
        item_seq: Right padded rows; never modified.
        seq_len: Row lengths, in 1..L.
        operators: The operators, which must not modify their inputs.
        choice: Number of each row's operator, or -1 for a row that stays unchanged.
        generator: Source of randomness, on the rows' device.

    Shape:
        ``item_seq`` [B, L]; ``seq_len`` and ``choice`` [B].

    Returns:
        The augmented rows, as new tensors.
    """
    items, lengths = item_seq.clone(), seq_len.clone()
    for number, operator in enumerate(operators):
        view = operator(item_seq, seq_len, generator)
        chosen = choice == number
        items = torch.where(chosen.unsqueeze(1), view.item_seq, items)
        lengths = torch.where(chosen, view.seq_len, lengths)
    return Rows(items, lengths)


def _draw_distinct(allowed: Tensor, generator: torch.Generator) -> Tensor:
    keys = torch.rand(allowed.shape, generator=generator, device=allowed.device)
    return keys.masked_fill_(~allowed, 2.0).argsort(dim=1)[:, :2].T  # [2, B]


def _draw_each(allowed: Tensor, generator: torch.Generator) -> Tensor:
    keys = torch.rand(2, *allowed.shape, generator=generator, device=allowed.device)
    return keys.masked_fill_(~allowed, 2.0).argmin(dim=2)  # [2, B]
