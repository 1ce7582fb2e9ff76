"""Attention on the CPU that never holds all scores in memory.

Letters: n rows of a group, l its keys, m queries of a row, H heads, d width of a head; of a
block: r rows and q queries.

Scores are computed in blocks that fit a processor's cache: each block becomes weights, goes through dropout and is used
at once. The backward pass computes it again, including dropout, from the same seed. With causal attention a block ends
at the key of its last query, which saves nearly half of the work.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from recbole_cl.encoder.dropout import keep_mask
from recbole_cl.encoder.sight import Sight

_BLOCK = 2**18  # scores in a block, 1 MB of float32
_QUERIES = 64  # queries in a block; with more, a larger share of the scores would be of later keys


def blocked_attention(
    q: Tensor, k: Tensor, v: Tensor, sight: Sight, rate: float, generator: torch.Generator | None
) -> Tensor:
    """Attention whose memory is linear in the length of the rows, except for the part of ``sight`` that a block needs.

    Args:
        q: Queries, divided by the root of d. Shape [n, H, m, d].
        k: Keys. Shape [n, H, l, d].
        v: Values. Shape [n, H, l, d].
        sight: The keys that the queries may attend to; padding that is not packed (``padded_to``) is not supported.
        rate: Probability of dropping a weight, in [0, 1).
        generator: Source of the dropout's seed; None for torch's default generator.

    Returns:
        Weighted sums of values, [n, H, m, d]. They can be differentiated only once.
    """
    seed = int(torch.randint(1 << 62, (), generator=generator)) if rate else 0
    context: Tensor = _BlockedAttention.apply(q.contiguous(), k.contiguous(), v.contiguous(), sight, rate, seed)
    return context


class _Block(NamedTuple):
    rows: slice
    queries: slice
    n_keys: int


class _BlockedAttention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, sight: Sight, rate: float, seed: int) -> Tensor:
        context = torch.empty_like(q)
        draws = torch.Generator().manual_seed(seed)
        for block in _blocks(q, k, sight):
            weights = _weights(q, k, sight, block)
            scale = 1.0
            if rate:
                mask, scale = keep_mask(weights, rate, draws)
                weights.mul_(mask)
            context[block.rows, :, block.queries] = (weights @ v[block.rows, :, : block.n_keys]).mul_(scale)
        ctx.save_for_backward(q, k, v, context)
        ctx.sight, ctx.rate, ctx.seed = sight, rate, seed
        return context

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, context = ctx.saved_tensors
        grad = grads[0]
        grad_q, grad_k, grad_v = torch.empty_like(q), torch.zeros_like(k), torch.zeros_like(v)
        shift = (grad * context).sum(-1, keepdim=True)  # subtracted from each weight's gradient by the softmax
        draws = torch.Generator().manual_seed(ctx.seed)
        for block in _blocks(q, k, ctx.sight):
            rows, queries, keys = block.rows, block.queries, slice(block.n_keys)
            weights = kept = _weights(q, k, ctx.sight, block)
            part = grad[rows, :, queries]
            grad_scores = part @ v[rows, :, keys].transpose(-1, -2)
            if ctx.rate:
                mask, scale = keep_mask(weights, ctx.rate, draws)
                kept = weights * mask.mul_(scale)
                grad_scores.mul_(mask)
            grad_v[rows, :, keys] += kept.transpose(-1, -2) @ part
            grad_scores.sub_(shift[rows, :, queries]).mul_(weights)
            grad_q[rows, :, queries] = grad_scores @ k[rows, :, keys]
            grad_k[rows, :, keys] += grad_scores.transpose(-1, -2) @ q[rows, :, queries]
        return grad_q, grad_k, grad_v, None, None, None


def _weights(q: Tensor, k: Tensor, sight: Sight, block: _Block) -> Tensor:
    """Softmax of the scores of a block, [r, H, q, n_keys]."""
    rows, queries, n_keys = block
    scores = q[rows, :, queries] @ k[rows, :, :n_keys].transpose(-1, -2)
    if sight.is_triangle:  # only the last keys are later than some query
        size = queries.stop - queries.start
        later = torch.ones(size, size, dtype=torch.bool).triu_(1)
        scores[..., queries.start :].masked_fill_(later, -math.inf)
    elif (bias := sight.block(q.dtype, rows, queries)) is not None:
        scores += bias if bias.dim() == 2 else bias.unsqueeze(1)
    return torch.softmax(scores, -1, out=scores)


def _blocks(q: Tensor, k: Tensor, sight: Sight) -> Iterator[_Block]:
    n, heads, m, _ = q.shape
    size = min(m, _QUERIES)
    n_rows = max(1, _BLOCK // (heads * size * k.shape[2]))
    for row in range(0, n, n_rows):
        for query in range(0, m, size):
            end = min(query + size, m)
            n_keys = end if sight.is_triangle else k.shape[2]
            yield _Block(slice(row, min(row + n_rows, n)), slice(query, end), n_keys)
