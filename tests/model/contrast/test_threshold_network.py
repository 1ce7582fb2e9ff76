"""The networks that learn a threshold for each row, layer by layer."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from recbole_cl.errors import UsageError
from recbole_cl.model.contrast.threshold_network import FlatThreshold, PerRowThreshold

D = 8


def linears(network: PerRowThreshold | FlatThreshold) -> tuple[nn.Linear, nn.Linear]:
    first, second = network.layers
    assert isinstance(first, nn.Linear) and isinstance(second, nn.Linear)
    return first, second


def test_a_network_per_row_is_two_linear_layers_and_a_sigmoid() -> None:
    torch.manual_seed(1)
    network, hidden = PerRowThreshold(16), torch.randn(3, 16)
    first, second = linears(network)
    assert first.weight.shape == (2, 16) and second.weight.shape == (1, 2)
    inner = hidden @ first.weight.T + first.bias
    expected = 2.1 * (1 / (1 + (-(inner @ second.weight.T + second.bias)).exp()) - 0.5)
    torch.testing.assert_close(network(hidden), expected.squeeze(1))


@pytest.mark.parametrize("rows", [4, 3, 1])
def test_a_flat_network_looks_at_the_whole_batch_full_or_not(rows: int) -> None:
    torch.manual_seed(1)
    network, hidden = FlatThreshold(D, 4, 10_000), torch.randn(rows, D)
    first, second = linears(network)
    assert first.weight.shape == (4, 32) and second.weight.shape == (4, 4)
    inner = first.weight[:, : rows * D] @ hidden.flatten() + first.bias
    expected = 2.1 * ((second.weight @ inner + second.bias).sigmoid() - 0.5)
    torch.testing.assert_close(network(hidden), expected[:rows])


def test_a_flat_network_beyond_the_limit_is_refused_before_it_is_made() -> None:
    with pytest.raises(UsageError, match=r"threshold_network = flat: 545,268,736 parameters"):
        FlatThreshold(64, 1024, 100_000_000)
    count = sum(parameter.numel() for parameter in FlatThreshold(D, 4, 10_000).parameters())
    FlatThreshold(D, 4, count)
    with pytest.raises(
        UsageError, match=f"{count:,} parameters.*max_flat_parameters = {count - 1}; use per_row, lower"
    ):
        FlatThreshold(D, 4, count - 1)
