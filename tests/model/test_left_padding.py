"""Padding counted as items: the columns of left-padded rows, against a loop."""

from __future__ import annotations

import torch

from recbole_cl.batch import Batch
from recbole_cl.model.left_padding import real_places, targets_with_padding
from tests.model.build import build_model

WIDTH = 6


def batch() -> Batch:
    seq_len = torch.tensor([1, 4, 6, 5, 2])
    items = torch.randperm(29, generator=torch.Generator().manual_seed(0))[:WIDTH] + 1
    rows = torch.stack([items.roll(i) for i in range(len(seq_len))])
    real = torch.arange(WIDTH) < seq_len[:, None]
    next_items = (rows.roll(-1, 1) % 29 + 1) * real
    next_items[:, :-1] = torch.where(real[:, 1:], rows[:, 1:], next_items[:, :-1])
    target = next_items.gather(1, seq_len[:, None] - 1).squeeze(1)
    return Batch(rows * real, seq_len, target, next_items)


def test_real_places() -> None:
    given = batch()
    expected = [i * WIDTH + j for i, n in enumerate(given.seq_len.tolist()) for j in range(WIDTH - n, WIDTH)]
    assert real_places(given).tolist() == expected


def test_targets() -> None:
    given, expected = batch(), []
    for row, n, target in zip(given.item_seq.tolist(), given.seq_len.tolist(), given.target.tolist(), strict=True):
        padded = [0] * (WIDTH - n) + row[:n]
        expected += [*padded[1:], target]
    assert targets_with_padding(given).tolist() == expected


def test_counting_targets_leaves_the_other_terms_alone() -> None:
    terms = {}
    for counted in (False, True):
        model = build_model("ECLSR", max_length=WIDTH, count_padding_targets=counted)
        terms[counted] = model.losses(batch())
    for name in ("contrastive", "replaced_item", "generator"):
        torch.testing.assert_close(terms[True][name], terms[False][name])
    assert abs(terms[True]["recommendation"] - terms[False]["recommendation"]) > 1e-6
