"""Operators against the outputs of the authors' code: the same support, and frequencies within sampling error."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import pytest
import torch

from recbole_cl.augmentation import Operator, crop, draw_two_views, insert, mask, reorder, substitute
from tests.augmentation.cases import cl4srec_operators, counting_rows, generator
from tests.oracles.load import oracle

DRAWS = 10_000
LENGTHS = (1, 2, 3, 4, 5, 6, 8)
NEIGHBOUR = torch.arange(20) + 100

COSEREC: Mapping[str, Operator] = {
    "crop": partial(crop, ratio=0.2, span="before_last"),
    "crop06": partial(crop, ratio=0.6, span="before_last"),
    "mask": partial(mask, ratio=0.7, fill_id=0),
    "mask03": partial(mask, ratio=0.3, fill_id=0),
    "reorder": partial(reorder, ratio=0.2, span="before_last"),
    "reorder06": partial(reorder, ratio=0.6, span="before_last"),
    "insert": partial(insert, ratio=0.4, neighbour=NEIGHBOUR),
    "substitute": partial(substitute, ratio=0.1, neighbour=NEIGHBOUR),
    "substitute05": partial(substitute, ratio=0.5, neighbour=NEIGHBOUR),
}
CL4SREC = {f"item_{name}": operator for name, operator in cl4srec_operators(mask_id=100).items()}


def frequencies(operator: Operator, length: int, width: int) -> dict[tuple[int, ...], float]:
    """Maps every output, with its length in front, to its share of ``DRAWS`` rows."""
    lengths = torch.full((DRAWS,), length)
    view = operator(counting_rows(lengths, width), lengths, generator(length))
    rows, counts = torch.cat((view.seq_len.unsqueeze(1), view.item_seq), dim=1).unique(dim=0, return_counts=True)
    shares = (counts / DRAWS).tolist()
    return {tuple(row): share for row, share in zip(rows.tolist(), shares, strict=True)}


def assert_same_distribution(
    ours: Mapping[tuple[int, ...], float], theirs: Mapping[tuple[int, ...], float], their_draws: int
) -> None:
    assert set(ours) == set(theirs)
    for row, share in theirs.items():
        pooled = (ours[row] * DRAWS + share * their_draws) / (DRAWS + their_draws)
        error = (pooled * (1 - pooled) * (1 / DRAWS + 1 / their_draws)) ** 0.5
        assert abs(ours[row] - share) <= 5 * error, row


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("name", COSEREC)
def test_coserec(name: str, length: int) -> None:
    """Oracle b3."""
    b3 = oracle("b3_coserec_operators_support")
    support, share = b3[f"{name}::L{length}::support"], b3[f"{name}::L{length}::freq"]
    lengths, rows = (support >= 0).sum(1), support.clamp(min=0)
    theirs = {(int(n), *row): float(p) for n, row, p in zip(lengths, rows.tolist(), share, strict=True)}
    assert_same_distribution(frequencies(COSEREC[name], length, support.shape[1]), theirs, 4000)


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("name", CL4SREC)
def test_cl4srec(name: str, length: int) -> None:
    """Oracle e1, but for the crop of a single item, which that code would drop and its loader never makes."""
    e1 = oracle("e1_cl4srec_operators")
    key = f"{name}::L{length}"
    lengths, rows, share = (e1[f"{key}::{part}"] for part in ("support_len", "support_seq", "freq"))
    theirs = {(int(n), *row): float(p) for n, row, p in zip(lengths, rows.tolist(), share, strict=True)}
    if (name, length) == ("item_crop", 1):
        theirs = {(1, 1, *[0] * (rows.shape[1] - 1)): 1.0}
    assert_same_distribution(frequencies(CL4SREC[name], length, rows.shape[1]), theirs, 3000)


def test_rounds_of_views_leave_the_originals_alone() -> None:
    """Oracle e2: the public loader overwrote .91 of these very rows with the mask id in 20 epochs."""
    e2 = oracle("e2_cl4srec_loader_inplace_bug")
    assert e2["mask_fraction_after_epoch"][-1] > 0.9
    mask_id, draw = 100, generator()
    seqs, lengths = e2["seqs"], e2["lens"].clone()
    stored = seqs.clone()
    masked = 0
    for _ in range(20):
        views = draw_two_views(stored, lengths, cl4srec_operators(mask_id), draw, distinct=True)
        masked += sum(int((view.item_seq == mask_id).sum()) for view in views)
    assert masked > 0
    assert int((stored == mask_id).sum()) == 0
    assert torch.equal(stored, seqs)
    assert torch.equal(lengths, e2["lens"])
