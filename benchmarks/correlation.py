"""Time and memory of item correlation: memory-based on synthetic interactions with heavy tails, or model-based.

    python benchmarks/correlation.py --items 1000000 --interactions 20000000
    python benchmarks/correlation.py --items 100000 --model_based

Items are drawn with probability 1 / (rank + 100); users have 50 interactions on average, log-normally spread, so that
the longest have thousands. Embeddings are normally distributed, 64 numbers each.
"""

from __future__ import annotations

import argparse
import resource
import time
from functools import partial

import numpy as np
import torch

from recbole_cl.data.correlation.memory import memory_top_one
from recbole_cl.data.correlation.model import model_top_one

MEAN, SPREAD = 50, 1.3  # interactions per user; standard deviation of their logarithm
HIDDEN_SIZE = 64


def synthetic(n_items: int, n_interactions: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Synthetic pairs of user and item, [P] each; item ids are in 1..n_items, popular ones at random places."""
    generator = np.random.default_rng(seed)
    lengths = generator.lognormal(np.log(MEAN) - SPREAD**2 / 2, SPREAD, n_interactions // MEAN)
    lengths = np.maximum(1, np.rint(lengths * n_interactions / lengths.sum())).astype(np.int64)
    user = np.repeat(np.arange(len(lengths)), lengths)
    popularity = np.cumsum(1.0 / (np.arange(n_items) + 100))
    rank = np.searchsorted(popularity, generator.random(len(user)) * popularity[-1])
    item = 1 + generator.permutation(n_items)[np.minimum(rank, n_items - 1)]
    return torch.from_numpy(user), torch.from_numpy(item)


def peak_mib() -> float:
    """Peak memory of this process, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Measures one size and prints one line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=12_000)
    parser.add_argument("--interactions", type=int, default=200_000)
    parser.add_argument("--model_based", action="store_true", help="by embeddings; there are no interactions then")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    n_items = options.items + 1
    if options.model_based:
        generator = torch.Generator().manual_seed(options.seed)
        embedding = torch.randn(n_items, HIDDEN_SIZE, generator=generator)
        of, correlate = f"{HIDDEN_SIZE} numbers each", partial(model_top_one, embedding, n_items)
    else:
        user, item = synthetic(options.items, options.interactions, options.seed)
        length = torch.bincount(user)
        longest, squares = int(length.max()), float(length.double().square().sum())
        of = f"{len(item)} interactions, {len(length)} users (longest {longest}, sum of squares {squares:.3g})"
        correlate = partial(memory_top_one, user, item, n_items)
    before, wall, cpu = peak_mib(), time.perf_counter(), time.process_time()
    table = correlate()
    print(
        f"{options.items} items, {of}: "
        f"{time.perf_counter() - wall:.1f} s ({time.process_time() - cpu:.1f} s of processor time), "
        f"peak {peak_mib():.0f} MiB ({before:.0f} before), {int((table.item > 0).sum())} items with a neighbour"
    )


if __name__ == "__main__":
    main()
