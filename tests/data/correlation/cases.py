"""Pairs and tables that the tests of this folder share, and equation 9 as a slow loop.

Letters: N items.
"""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recbole_cl.data.correlation.memory import TopOne, memory_top_one
from recbole_cl.data.correlation.model import model_top_one
from tests.oracles.load import oracle

N_TOY = 13  # ids of the oracle, padding included


def coserec_toy() -> dict[str, NDArray[Any]]:
    """The authors' numbers."""
    return {name: value.numpy() for name, value in oracle("b2_coserec_similarity_toy").items()}


def oracle_pairs(toy: dict[str, NDArray[Any]]) -> tuple[Tensor, Tensor]:
    """What the authors keep: all but the last three items of each user."""
    users = np.split(toy["users_flat"], np.cumsum(toy["users_len"])[:-1])
    user = np.concatenate([np.full(len(items) - 3, number) for number, items in enumerate(users)])
    return torch.from_numpy(user), torch.from_numpy(np.concatenate([items[:-3] for items in users]))


def random_pairs(seed: int, n_users: int = 30, n_items: int = 40) -> tuple[Tensor, Tensor]:
    """Made-up histories with repeats; ids 38 and 39 have no user, id 37 one who has nothing else."""
    generator = torch.Generator().manual_seed(seed)
    length = torch.randint(1, 15, (n_users,), generator=generator)
    user = torch.repeat_interleave(torch.arange(n_users), length)
    item = torch.randint(1, n_items - 3, user.shape, generator=generator)
    return torch.cat((user, torch.tensor([n_users]))), torch.cat((item, torch.tensor([n_items - 3])))


def double_loop(user: Tensor, item: Tensor, iuf: bool) -> dict[int, dict[int, float]]:
    """Equation 9, pair by pair."""
    taken: dict[int, set[int]] = defaultdict(set)
    for u, i in zip(user.tolist(), item.tolist(), strict=True):
        taken[u].add(i)
    count: dict[int, int] = defaultdict(int)
    for items in taken.values():
        for i in items:
            count[i] += 1
    score: dict[int, dict[int, float]] = defaultdict(lambda: defaultdict(float))
    for items in taken.values():
        for i in items:
            for j in items - {i}:
                weight = 1 / math.log(1 + len(items)) if iuf else 1.0
                score[i][j] += weight / math.sqrt(count[i] * count[j])
    return score


def tables(seed: int) -> tuple[TopOne, TopOne, NDArray[np.float64]]:
    """Both sources for made-up items, and the paper's element-wise maximum of their normalised scores, [N, N]."""
    user, item = random_pairs(seed)
    embedding = torch.randn(42, 6, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 0.3
    memory, model = memory_top_one(user, item, 40), model_top_one(embedding, 40)
    products = (embedding @ embedding.T)[1:40, 1:40].numpy()
    raw = np.zeros((40, 40))  # as in equation 9: no common user, score 0
    for i, row in double_loop(user, item, True).items():
        for j, score in row.items():
            raw[i, j] = score
    both = np.full((40, 40), -np.inf)
    for i in range(1, 40):
        for j in range(1, 40):
            if i != j:
                online = (products[i - 1, j - 1] - products.min()) / (products.max() - products.min())
                both[i, j] = max((raw[i, j] - memory.low) / (memory.high - memory.low), online)
    return memory, model, both
