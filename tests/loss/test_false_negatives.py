"""Similarity thresholds against sorting, the authors' numbers and their edge cases."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from recbole_cl.loss.false_negatives import (
    is_negative,
    negative_pairs,
    negative_statistic,
    row_statistic,
    share_above,
    threshold_distance,
)
from recbole_cl.loss.info_nce import similarity_matrix
from tests.oracles.load import oracle

STATISTIC = pytest.mark.parametrize(
    ("statistic", "percentile"), [("mean", 0.9), ("median", 0.9), *(("percentile", p) for p in (0.0, 0.3, 0.9, 1.0))]
)


def similarities(batch: int, dtype: torch.dtype = torch.float64) -> Tensor:
    z_a, z_b = torch.randn(2, batch, 3, generator=torch.Generator().manual_seed(3), dtype=torch.float64).to(dtype)
    return similarity_matrix(z_a, z_b, similarity="cosine")


def negatives_of(similarity: Tensor, row: int) -> list[float]:
    """One after the other, in rising order."""
    batch = len(similarity) // 2
    return sorted(float(similarity[row, j]) for j in range(2 * batch) if j % batch != row % batch)


@pytest.mark.parametrize(
    ("statistic", "name"), [("percentile", "reg_0.9"), ("mean", "reg_mean"), ("median", "reg_median")]
)
def test_oracle(statistic: str, name: str) -> None:
    f1 = oracle("f1_adaptiverec_info_nce")
    similarity = similarity_matrix(f1["z_i"], f1["z_j"], similarity="cosine")
    expected = f1[f"{name}::stat_threshold"]
    found = negative_statistic(negative_pairs(similarity), statistic, 0.9)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)


@STATISTIC
@pytest.mark.parametrize("batch", [2, 3, 6])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_batch_statistic_equals_that_of_all_its_negatives(
    batch: int, statistic: str, percentile: float, dtype: torch.dtype
) -> None:
    similarity = similarities(batch, dtype)
    every = sorted(value for row in range(2 * batch) for value in negatives_of(similarity, row))
    place = min(int(percentile * len(every)), len(every) - 1)
    expected = {"mean": np.mean(every), "median": every[(len(every) - 1) // 2], "percentile": every[place]}[statistic]
    found = negative_statistic(negative_pairs(similarity), statistic, percentile)
    assert found.dtype == dtype
    assert float(found) == pytest.approx(expected, abs=1e-6 if dtype == torch.float32 else 1e-12)


@STATISTIC
@pytest.mark.parametrize("batch", [2, 3, 6])
def test_a_row_statistic_equals_that_of_its_negatives(batch: int, statistic: str, percentile: float) -> None:
    similarity = similarities(batch)
    found = row_statistic(similarity, statistic, percentile)
    for row, value in enumerate(found.tolist()):
        sorted_row = negatives_of(similarity, row)
        kept = min(2 * int(percentile * batch), len(sorted_row))
        below = sorted_row[kept - 1] if kept else -np.inf
        expected = {"mean": np.mean(sorted_row), "median": sorted_row[batch - 2], "percentile": below}[statistic]
        assert value == pytest.approx(expected, abs=1e-12)


def test_negatives_are_all_but_the_row_and_its_other_view() -> None:
    expected = [[0, 1, 0, 1], [1, 0, 1, 0], [0, 1, 0, 1], [1, 0, 1, 0]]
    assert is_negative(torch.zeros(4, 4)).int().tolist() == expected


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_every_pair_of_negatives_is_there_once(batch: int) -> None:
    number = torch.arange(2 * batch)
    matrix = torch.minimum(number[:, None], number) * 2 * batch + torch.maximum(number[:, None], number)  # symmetric
    expected = [int(matrix[i, j]) for i in number for j in number if i < j and i % batch != j % batch]
    assert sorted(negative_pairs(matrix.double()).tolist()) == sorted(expected)


def test_a_median_in_torch_is_the_lower_one_too() -> None:
    pairs = negative_pairs(similarities(4))
    assert negative_statistic(pairs, "median", 0.9) == torch.cat((pairs, pairs)).median()


def test_statistics_have_no_gradient() -> None:
    similarity = similarities(3).requires_grad_()
    assert not negative_pairs(similarity).requires_grad
    assert not row_statistic(similarity, "percentile", 0.9).requires_grad


@pytest.mark.parametrize(("threshold", "share"), [(-2.0, 1.0), (torch.inf, 0.0)])
def test_share_above_one_threshold(threshold: float, share: float) -> None:
    assert share_above(similarities(4), torch.tensor(threshold)) == share


def test_share_above_a_threshold_for_each_row() -> None:
    similarity = similarities(5)
    threshold = row_statistic(similarity, "percentile", 0.5)
    assert share_above(similarity, threshold) == pytest.approx(1 - 4 / 8)  # 2 * int(0.5 * 5) of 8 are not above it


@pytest.mark.parametrize("form", ["norm", "squared_norm"])
def test_distance_to_the_reference(form: str) -> None:
    f1 = oracle("f1_adaptiverec_info_nce")
    distance = threshold_distance(f1["k_learn"], torch.tensor(0.4, dtype=torch.float64), form)
    expected = f1["L_reg_epoch1_simthres0.4"] / 0.1  # weighted in the authors' code
    torch.testing.assert_close(distance, expected if form == "norm" else expected**2, rtol=1e-10, atol=0)


def test_no_distance_has_no_gradient() -> None:
    threshold = torch.full((3,), 0.2, requires_grad=True)
    (gradient,) = torch.autograd.grad(threshold_distance(threshold, torch.tensor(0.2)), threshold)
    assert gradient.tolist() == [0, 0, 0]


def test_bad_arguments_are_refused() -> None:
    similarity, alone = similarities(3), similarities(1)
    for function, some, none in (
        (row_statistic, similarity, alone),
        (negative_statistic, negative_pairs(similarity), negative_pairs(alone)),
    ):
        with pytest.raises(ValueError, match="^statistic is 'mode'; .*percentile, mean, median$"):
            function(some, "mode", 0.9)
        with pytest.raises(ValueError, match="^a batch of 1 .* at least 2 rows$"):
            function(none, "mean", 0.9)
    with pytest.raises(ValueError, match="^form is 'cube'; it must be one of norm, squared_norm$"):
        threshold_distance(torch.zeros(2), torch.zeros(()), "cube")
