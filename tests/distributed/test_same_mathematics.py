"""A step of two processes is a step of one: losses, gradients, weights, ranks, and what is drawn."""

from __future__ import annotations

import multiprocessing
import socket
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.distributed.cases import FEW, all_cases, main, outcome


def by_two(folder: Path, names: list[str]) -> list[dict[str, dict[str, Tensor]]]:
    """What each of two processes finds in the cases of those names."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    fork = multiprocessing.get_context("fork")  # which has imported all of it already
    children = [fork.Process(target=main, args=(folder, names, rank, port)) for rank in range(2)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0, 0]
    return [torch.load(folder / f"found{rank}.pth", weights_only=True) for rank in range(2)]


def compare(one: Mapping[str, Tensor], two: Mapping[str, Tensor]) -> None:
    assert one.keys() == two.keys()
    for key, value in one.items():
        if value.is_floating_point():
            assert (two[key] - value).abs().max() <= 1e-9, key
        else:
            assert torch.equal(two[key], value), key


def check(names: list[str], tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    torch.set_num_threads(1)
    first, second = by_two(tmp_path, names)
    for name in names:
        compare(outcome(all_cases()[name], tmp_path / "one"), first[name])
    for name, found in first.items():  # with dropout, too, of which each has masks of its own
        for key, value in found.items():
            assert torch.equal(value, second[name][key]) or "figure" in key, f"{name}: {key}"


def test_two_processes_step_as_one_does(tmp_path: Path) -> None:
    check(list(FEW), tmp_path)


@pytest.mark.slow
def test_every_model_steps_in_two_processes_as_in_one(tmp_path: Path) -> None:
    check([name for name in all_cases() if name not in FEW], tmp_path)
