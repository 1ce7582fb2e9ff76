"""Label smoothing against torch's."""

from __future__ import annotations

from functools import partial

import torch

from recbole_cl.loss.chunked import chunked_cross_entropy
from recbole_cl.loss.recommendation import cross_entropy, smoothing


def test_smoothing_makes_the_cross_entropy_torchs() -> None:
    """In the loss and both gradients, in blocks or not."""
    generator = torch.Generator().manual_seed(3)
    hidden, table = (torch.randn(n, 6, generator=generator, dtype=torch.float64).requires_grad_() for n in (9, 14))
    target = torch.randint(0, 14, (9,), generator=generator)
    expected = torch.nn.functional.cross_entropy(hidden @ table.t(), target, label_smoothing=0.3)
    gradients = torch.autograd.grad(expected, (hidden, table))
    for loss in (cross_entropy, partial(chunked_cross_entropy, chunk_rows=4)):
        ours = loss(hidden, table, target) + smoothing(hidden, table, target, 0.3)
        torch.testing.assert_close(ours, expected)
        torch.testing.assert_close(torch.autograd.grad(ours, (hidden, table)), gradients)
