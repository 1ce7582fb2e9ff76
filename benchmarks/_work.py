"""The amount of arithmetic in a training step, and the speed at which this machine multiplies.

Letters: B rows, n length of a row, D hidden size, I inner size, N items, T targets.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from benchmarks._common import now

Segment = tuple[Tensor, bool]
"""Lengths of the rows of one view, [B], and whether outputs are wanted at all positions (or at the last one)."""


class Sizes(NamedTuple):
    """The sizes that a model's arithmetic depends on."""

    hidden: int
    inner: int
    layers: int
    items: int


def sizes_of(model: Any, config: Any) -> Sizes:
    """The sizes of our model or RecBole's, in the shape of SASRec."""
    return Sizes(config["hidden_size"], config["inner_size"], config["n_layers"], model.n_items)


def step_flops(segments: Sequence[Segment], sizes: Sizes) -> float:
    """Useful floating-point operations of a training step: necessary products, without padding and repetition.

    A product of [a, b] and [b, c] is 2abc operations. Forward, for a view with rows of real lengths n:

    * a block at all positions: sum n * (6 D D for query, key, value + 2 D D for the output + 4 D I for the
      feed-forward part) + 4 D * sum n (n + 1) / 2 for causal scores and the values that they weigh;
    * the last block, if outputs are wanted only at the last position: sum n * 4 D D for key and value, B * (4 D D + 4 D
        I) for the rest, and 4 D * sum n for the scores of one query per row;
    * scores of all items at the T targets, for the first view: 2 T D N;
    * similarities of two views of B rows: 2 (2B)(2B) D.

    Backward is twice forward: one product for each factor. Norms, softmax, dropout, look-ups and the optimiser are not
    counted.

    Args:
        segments: The views of a batch; the first one is supervised, others are contrasted.
        sizes: Sizes of the model.

    Returns:
        Operations forward and backward.
    """
    size, inner, layers, items = sizes
    forward = 0.0
    for lengths, everywhere in segments:
        tokens, pairs = float(lengths.sum()), float((lengths * (lengths + 1)).sum()) / 2
        block = tokens * (8 * size**2 + 4 * size * inner) + 4 * size * pairs
        last = tokens * (4 * size**2 + 4 * size) + len(lengths) * (4 * size**2 + 4 * size * inner)
        forward += layers * block if everywhere else (layers - 1) * block + last
    lengths, everywhere = segments[0]
    forward += 2 * size * items * (float(lengths.sum()) if everywhere else len(lengths))
    if len(segments) > 1:
        forward += 2 * size * (2 * len(segments[1][0])) ** 2
    return 3 * forward


def record_segments(model: Any) -> list[list[Segment]]:
    """Records, from now on, the views of every batch that a model of ours or RecBole's SASRec encodes.

    Returns:
        The list, which grows by one entry per batch.
    """
    log: list[list[Segment]] = []
    if hasattr(model, "encode"):
        encode = model.encode

        def noted(*segments: Any, **how: Any) -> Any:
            log.append([(rows.seq_len, rows.wanted != "last") for rows in segments])
            return encode(*segments, **how)

        model.encode = noted
        return log
    forward = model.forward

    def noted_forward(item_seq: Tensor, item_seq_len: Tensor) -> Any:
        log.append([(item_seq_len, False)])
        return forward(item_seq, item_seq_len)

    model.forward = noted_forward
    return log


def matmul_rate(size: int, repeats: int = 5, gpu: bool = False) -> float:
    """Best measured rate of a float32 product of two [size, size] matrices, in operations per second."""
    a, b = torch.randn(2, size, size, device="cuda" if gpu else "cpu")
    out = a @ b
    best = float("inf")
    for _ in range(repeats):
        begin = now(gpu)
        torch.mm(a, b, out=out)
        best = min(best, now(gpu) - begin)
    return 2 * size**3 / best
