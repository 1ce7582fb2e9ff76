"""The penalty on margins against a slow double loop, and the authors' numbers."""

from __future__ import annotations

import pytest
import torch

from recbole_cl.loss.similarity_margin import similarity_margin
from tests.oracles.load import oracle


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("batch", [2, 5])
def test_is_what_a_double_loop_finds(batch: int, dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(batch)
    z_a, z_b = (torch.randn(batch, 3, generator=generator, dtype=dtype) for _ in range(2))
    z = torch.cat((z_a, z_b))
    above, below = [], []
    for i in range(2 * batch):
        other = (i + batch) % (2 * batch)
        positive = float(z[i] @ z[other]) / 0.5
        negatives = [float(z[i] @ z[j]) / 0.5 for j in range(2 * batch) if j not in (i, other)]
        above.append(max(positive - max(negatives), 0))
        below += [max(positive, *negatives) - negative for negative in negatives]
    expected = sum(above) / len(above) + sum(below) / len(below)
    assert float(similarity_margin(z_a, z_b, 0.5)) == pytest.approx(expected, rel=1e-5)


def test_is_the_authors() -> None:
    i1 = oracle("i1_mclrec_terms")
    pairs = {"z1_z2": ("z1", "z2"), "z1_aug2": ("z1", "aug2_out"), "z2_aug1": ("z2", "aug1_out")}
    for name, (a, b) in pairs.items():
        torch.testing.assert_close(similarity_margin(i1[a], i1[b]), i1[f"reg_{name}"], rtol=1e-9, atol=1e-9)


def test_a_batch_of_one_has_no_negatives() -> None:
    one = torch.ones(1, 3, requires_grad=True)
    loss = similarity_margin(one, 2 * one)
    loss.backward()
    assert loss.item() == 0 and one.grad is not None and not one.grad.any()
