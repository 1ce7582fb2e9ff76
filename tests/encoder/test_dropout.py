"""Dropout: the stated probability, an unbiased scale, its own generator."""

from __future__ import annotations

import pytest
import torch

from recbole_cl.encoder.dropout import Dropout


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_share_and_scale(p: float) -> None:
    dropout = Dropout(p, torch.Generator().manual_seed(1))
    y = dropout(torch.ones(1_000_003))
    assert abs(float((y == 0).float().mean()) - p) < 5 * (p * (1 - p) / 1e6) ** 0.5 + 1 / 65536
    assert abs(float(y.mean()) - 1) < 0.01
    assert len(y.unique()) == 2


@pytest.mark.parametrize("p", [1e-9, 7e-6, 1e-5])
def test_a_tiny_probability_drops_next_to_nothing(p: float) -> None:
    assert float((Dropout(p, torch.Generator().manual_seed(1))(torch.ones(10_000)) == 0).float().mean()) < 0.01


def test_neighbouring_draws_are_independent() -> None:
    kept = Dropout(0.5, torch.Generator().manual_seed(2))(torch.ones(400_000)) > 0
    for lag in (1, 2, 3, 4):
        both = float((kept[lag:] & kept[:-lag]).float().mean())
        assert abs(both - 0.25) < 0.005


def test_gradient_passes_where_the_value_does() -> None:
    x = torch.ones(1000, requires_grad=True)
    y = Dropout(0.3, torch.Generator().manual_seed(3))(x)
    y.sum().backward()
    assert x.grad is not None and torch.equal(x.grad, y.detach())


def test_a_column_that_is_a_sum_drops_each_of_its_elements_by_itself() -> None:
    """Its factor is distributed as the mean of as many factors of single elements; the other columns are as always."""
    rate, count = 0.6, torch.tensor([0, 1, 41])
    x = torch.ones(20_000, 3, 4)
    y = Dropout(rate, torch.Generator().manual_seed(4))(x, count)
    assert torch.isfinite(y).all() and set(y[..., :-1].unique().tolist()) == set(y[:, 1, -1].unique().tolist())
    mean, variance = y[..., -1].mean(0), y[..., -1].var(0)
    torch.testing.assert_close(mean[1:], torch.ones(2), atol=0.03, rtol=0)
    torch.testing.assert_close(variance[1:], rate / (1 - rate) / count[1:], atol=0, rtol=0.05)


def test_off_in_eval_mode_and_at_zero() -> None:
    x = torch.randn(10)
    assert Dropout(0.5).eval()(x) is x
    assert Dropout(0.0)(x) is x


def test_probability_outside_the_range_is_refused() -> None:
    with pytest.raises(ValueError, match="1.5"):
        Dropout(1.5)
