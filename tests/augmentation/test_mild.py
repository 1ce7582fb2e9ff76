"""Noise on representations."""

from __future__ import annotations

import torch

from recbole_cl.augmentation.mild import perturb


def test_noise_has_its_norm_and_every_elements_sign() -> None:
    z = torch.randn(50, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    before = z.clone()
    noise = perturb(z, torch.Generator().manual_seed(1), norm=0.3) - z
    assert torch.equal(z, before)
    torch.testing.assert_close(noise.norm(dim=1), torch.full((50,), 0.3, dtype=torch.float64))
    assert (noise * z >= 0).all()
    directions = torch.nn.functional.normalize(noise, dim=1)
    assert (directions @ directions.T).fill_diagonal_(0).max() < 0.99  # each has its own


def test_the_same_generator_gives_the_same_noise() -> None:
    z = torch.ones(4, 3)
    one, two, other = (perturb(z, torch.Generator().manual_seed(seed), norm=0.1) for seed in (0, 0, 1))
    assert torch.equal(one, two) and not torch.equal(one, other)
