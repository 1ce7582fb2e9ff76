"""Selects the fastest way to compute attention, with memory that grows linearly with the length.

Padding that is attended to, with dropout, is the exception: all scores of a group are held at once.

Letters: n rows of a group, l its keys, m queries of a row, H heads, d width of a head.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from recbole_cl.encoder.blocked import blocked_attention
from recbole_cl.encoder.dropout import Dropout
from recbole_cl.encoder.sight import Sight

# On two cores of an AMD EPYC, forward and backward: torch's fused kernel runs at 0.84 of the speed of two products at
# 50 keys, 1.04 at 100, 1.6 at 150 and 2.8 at 1,000. With dropout it is not fused on a CPU and runs at 0.55 to 0.95.
_FUSED_FROM = 100
# More scores than this (24 MB of float32) are computed in blocks: 0.8 of the speed at 20 MB, 2.3 times at 46 MB.
_MOST_SCORES = 6 * 2**20


def attend(q: Tensor, k: Tensor, v: Tensor, sight: Sight, dropout: Dropout) -> Tensor:
    """Scaled dot-product attention.

    Args:
        q: Queries, [n, H, m, d].
        k: Keys, [n, H, l, d].
        v: Values, [n, H, l, d].
        sight: The keys that the queries may attend to.
        dropout: Dropout of the weights.

    Returns:
        Weighted sums of values, [n, H, m, d].
    """
    n, heads, m, _ = q.shape
    rate, n_keys = dropout.active_rate, k.shape[2]
    compiles = torch.compiler.is_compiling()
    padding = sight.padding if rate else None  # fused kernels would drop all of a row's padding or none
    if padding is None and (not q.is_cpu or (not rate and n_keys >= _FUSED_FROM and not compiles)):
        return _fused(q, k, v, sight, rate)
    many = not compiles and n * heads * m * n_keys > _MOST_SCORES  # an exported graph must accept any number of rows
    if many and sight.padded_to is None and q.dtype in (torch.float32, torch.float64):
        return blocked_attention(q / math.sqrt(q.shape[-1]), k, v, sight, rate, dropout.generator)
    scores = _scores(q / math.sqrt(q.shape[-1]), k, sight.bias(q.dtype))
    return dropout(scores.softmax(-1), padding) @ v


def _fused(q: Tensor, k: Tensor, v: Tensor, sight: Sight, rate: float) -> Tensor:
    if sight.is_triangle:
        return functional.scaled_dot_product_attention(q, k, v, dropout_p=rate, is_causal=True)
    bias = sight.bias(q.dtype)
    if bias is not None and bias.dim() == 3:
        bias = bias.unsqueeze(1)
    return functional.scaled_dot_product_attention(q, k, v, attn_mask=bias, dropout_p=rate)


def _scores(q: Tensor, k: Tensor, bias: Tensor | None) -> Tensor:
    """Query-key products; a bias is added within the product, not in a separate pass.

    Args:
        q: Scaled queries, [n, H, m, d].
        k: Keys, [n, H, l, d].
        bias: [m, l] for all rows, [n, 1, l] for all queries of a row, [n, m, l], or None.

    Returns:
        Scores, [n, H, m, l].
    """
    if bias is None:
        return q @ k.transpose(-1, -2)
    n, heads, m, size = q.shape
    if bias.dim() == 3:
        bias = bias.repeat_interleave(heads, dim=0)
    flat = torch.baddbmm(bias, q.reshape(n * heads, m, size), k.reshape(n * heads, -1, size).transpose(1, 2))
    return flat.view(n, heads, m, -1)
