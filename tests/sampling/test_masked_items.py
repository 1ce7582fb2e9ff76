"""Items for masked ones: the most probable, or drawn in proportion; never the padding."""

from __future__ import annotations

import torch

from recbole_cl.sampling.masked_items import choose_items

LOGITS = torch.tensor([[9.0, 0.5, 2.0, -1.0], [9.0, 0.0, -3.0, 0.7]])


def test_without_a_generator_it_is_the_most_probable_real_item() -> None:
    assert choose_items(LOGITS).tolist() == [2, 3]


def test_drawn_items_follow_the_softmax_over_real_items() -> None:
    items = choose_items(LOGITS.repeat_interleave(8000, dim=0), torch.Generator().manual_seed(0)).view(2, 8000)
    for own, logits in zip(items, LOGITS, strict=True):
        expected = 8000 * logits[1:].softmax(0)
        counts = torch.bincount(own, minlength=4)
        assert counts[0] == 0 and ((counts[1:] - expected).abs() < 4 * expected.sqrt()).all()


def test_the_same_generator_draws_the_same() -> None:
    many = LOGITS.repeat(100, 1)
    one, two, other = (choose_items(many, torch.Generator().manual_seed(seed)) for seed in (3, 3, 4))
    assert torch.equal(one, two) and not torch.equal(one, other) and one.dtype == torch.int64


def test_no_masked_position_is_no_item() -> None:
    assert choose_items(torch.empty(0, 4)).shape == (0,)
