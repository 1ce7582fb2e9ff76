"""Sampling of anchors in the sequence form: the prefixes of a batch's rows that contrastive terms use.

Letters: B rows, L columns, K anchors per row, A anchors of a batch, T targets of a batch.
"""

from __future__ import annotations

import torch
from torch import Tensor

from recbole_cl.batch import Prefixes


def draw_anchors(
    draw: str, length: Tensor, target_place: Tensor, width: int, n_per_row: int, generator: torch.Generator
) -> Prefixes:
    """Draws K times as many prefixes as there are rows.

    * ``per_row``: K from each row, uniformly among its own prefixes, so that all rows have equal weight;
    * ``per_target``: uniformly among all prefixes of the batch, so that all targets have equal weight, as in the prefix
        form.

    No prefix is drawn a second time before every available one has been drawn once.

    Args:
        draw: ``per_row`` or ``per_target``.
        length: Number of targets of each row, 1..L. Shape [B].
        target_place: Flat positions of all targets in [B, L], row after row. Shape [T].
        width: L.
        n_per_row: K; 0: each row as a whole, without drawing.
        generator: Source of randomness, on the rows' device.

    Returns:
        The prefixes; A is B * K, or B for whole rows.
    """
    row = torch.arange(len(length) * max(n_per_row, 1), device=length.device) // max(n_per_row, 1)
    if not n_per_row:
        return Prefixes(row, length)
    if draw == "per_row":
        return Prefixes(row, _of_each_row(length, width, n_per_row, generator).flatten())
    order = torch.randperm(len(target_place), generator=generator, device=length.device)
    place = target_place[order[torch.arange(len(row), device=length.device) % len(order)]]
    return Prefixes(place // width, place % width + 1)


def _of_each_row(length: Tensor, width: int, n_per_row: int, generator: torch.Generator) -> Tensor:
    """Lengths of K prefixes of each row, [B, K]."""
    length = length.unsqueeze(-1)
    if n_per_row == 1:
        uniform = torch.rand(length.shape, generator=generator, device=length.device, dtype=torch.float64)
        return 1 + torch.minimum((uniform * length).long(), length - 1)
    column = torch.arange(width, device=length.device)
    key = torch.rand((len(length), width), generator=generator, device=length.device)
    order = (key + (column >= length)).argsort(dim=1)  # [B, L] a row's own columns first, in random order
    return 1 + order.gather(1, torch.arange(n_per_row, device=length.device) % length)
