"""Cross-entropy over the whole item table in bounded memory.

Letters: T rows (sequences, or positions of sequences), D hidden size, N items (rows of the table), M a larger
multiple of ALIGNMENT, C rows of a chunk, L items of a history.

Plain cross-entropy keeps the [T, N] logits, their log-softmax and their gradient in memory at once. Here one [C, M]
block holds the logits; they are turned in place into probabilities and then into the logits' gradient. Both gradient
products use the block before the next chunk overwrites it. Since the loss is a scalar, the backward pass only scales
the gradients that the forward pass has computed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

# Logits in a block: 6 MB of float32 stay in a CPU's caches between the passes; a GPU needs fewer, larger kernels.
CPU_BLOCK = 3 * 2**19
ACCELERATOR_BLOCK = 64 * 2**20
MIN_CHUNK_ROWS = 32  # with 16, the products over a million items take 1.5 times as long
# A block's rows begin at multiples of this many numbers: on an AMD EPYC, the loss over 12,102 items then takes 0.8 to
# 0.9 of the time.
ALIGNMENT = 16

Observer = Callable[[slice, Tensor], None]  # is given the rows of a block, and their logits [C, N]


def default_chunk_rows(n_items: int, device: torch.device) -> int:
    """Number of rows per chunk for which a block of logits takes about 6 MB of float32 on the CPU, 256 MB elsewhere.

    Args:
        n_items: N, number of rows of the item table.
        device: Device on which the loss is computed.

    Returns:
        A multiple of 8, at which products are faster, and at least 32, however large the table.
    """
    block = CPU_BLOCK if device.type == "cpu" else ACCELERATOR_BLOCK
    return max(MIN_CHUNK_ROWS, block // max(n_items, 1) // 8 * 8)


def chunked_cross_entropy(
    hidden: Tensor,
    item_table: Tensor,
    target: Tensor,
    chunk_rows: int | None = None,
    observe: Observer | None = None,
    *,
    history: Tensor | None = None,
    penalty: Tensor | None = None,
) -> Tensor:
    """Softmax cross-entropy over all rows of the item table, mean over rows, with only a few rows of logits in memory.

    Args:
        hidden: States that predict the next item.
        item_table: Item embeddings; pass a slice to exclude a mask token from the softmax.
        target: The next items.
        chunk_rows: Number of rows whose logits are held at once, >= 1; None uses `default_chunk_rows`.
        observe: Called with every block of logits before it is overwritten; must not modify it. None for no observer.
        history: Items whose logits are lowered, different ones in a row; N for none. None for no such items.
        penalty: By how much, for each row; needed with ``history``.

    Shape:
        hidden: [T, D], T >= 1; item_table: [N, D]; target: [T]; history: [T, L]; penalty: [T]; result: scalar.

    Returns:
        The mean loss, with exact gradients; in float32 or wider.

    Raises:
        ValueError: If there are no rows, chunk_rows is below 1, or only one of ``history`` and ``penalty`` is given.

    Note:
        Under autocast to bfloat16 the blocks are bfloat16 throughout, which halves the memory traffic; the softmax
        itself is computed in float32. The error of a row's loss is then about 0.003, and that of its gradients is
        their usual bfloat16 rounding. float16 cannot represent small probabilities, so everything stays in float32
        there.
        It can be differentiated only once.
    """
    if not hidden.size(0):
        raise ValueError("hidden has no rows; the mean loss needs at least one")
    if chunk_rows is None:
        chunk_rows = default_chunk_rows(item_table.size(0), hidden.device)
    if chunk_rows < 1:
        raise ValueError(f"chunk_rows is {chunk_rows}; it must be at least 1, or None for the default")
    if (history is None) != (penalty is None):
        raise ValueError("history and penalty belong together: give both or none")
    if not torch.is_grad_enabled():
        hidden, item_table = hidden.detach(), item_table.detach()  # otherwise forward would compute unused gradients
        penalty = None if penalty is None else penalty.detach()
    loss: Tensor = _ChunkedCrossEntropy.apply(hidden, item_table, penalty, target, history, chunk_rows, observe)
    return loss


class _ChunkedCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        item_table: Tensor,
        penalty: Tensor | None,
        target: Tensor,
        history: Tensor | None,
        chunk_rows: int,
        observe: Observer | None,
    ) -> Tensor:
        dtype = _product_dtype(hidden, item_table)
        ctx.dtypes = hidden.dtype, item_table.dtype, dtype if penalty is None else penalty.dtype
        lowered = None if penalty is None else penalty.to(dtype)
        needs = ctx.needs_input_grad[:3]
        with torch.autocast(hidden.device.type, enabled=False):  # the type is chosen
            loss, *gradients = _loss_and_gradients(
                hidden.to(dtype), item_table.to(dtype), lowered, target, history, chunk_rows, needs, observe
            )
        ctx.save_for_backward(*gradients)
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        gradients = (
            None if gradient is None else (gradient * grad_output).to(dtype)
            for gradient, dtype in zip(ctx.saved_tensors, ctx.dtypes, strict=True)
        )
        return *gradients, None, None, None, None


def _loss_and_gradients(
    hidden: Tensor,
    table: Tensor,
    penalty: Tensor | None,
    target: Tensor,
    history: Tensor | None,
    chunk_rows: int,
    needs: tuple[bool, bool, bool],
    observe: Observer | None,
) -> tuple[Tensor, Tensor | None, Tensor | None, Tensor | None]:
    """Mean loss [] and its gradients [T, D], [N, D] and [T] (None if not needed), in float32 or wider."""
    n_rows, dtype = hidden.size(0), torch.promote_types(hidden.dtype, torch.float32)
    loss = torch.empty(n_rows, dtype=dtype, device=hidden.device)
    grad_hidden = torch.empty_like(hidden, dtype=dtype) if needs[0] else None
    grad_table = torch.zeros_like(table, dtype=dtype) if needs[1] else None
    grad_penalty = hidden.new_empty(n_rows, dtype=dtype) if needs[2] else None
    n_items = table.size(0)
    # at least one column more than items: that of the history's entries that are no item
    buffer = hidden.new_empty(min(chunk_rows, n_rows), (n_items // ALIGNMENT + 1) * ALIGNMENT)
    scaled = hidden / n_rows if needs[1] else hidden  # the mean's 1 / T: [T, D] operations instead of [T, N]
    for start in range(0, n_rows, chunk_rows):
        rows = slice(start, min(start + chunk_rows, n_rows))
        aligned = buffer[: rows.stop - start]  # [C, M]
        block = aligned[:, :n_items]  # [C, N]
        torch.mm(hidden[rows], table.t(), out=block)
        if history is not None and penalty is not None:  # both or none
            aligned.scatter_add_(1, history[rows], -penalty[rows, None].expand(-1, history.shape[1]))
        aligned[:, n_items:] = -math.inf  # probability 0
        if observe is not None:
            observe(rows, block)
        loss[rows] = _to_gradient_of_logits(aligned, target[rows], dtype)
        if grad_hidden is not None:
            grad_hidden[rows] = block @ table
        if grad_table is not None:
            _add_product(grad_table, block, scaled[rows])
        if grad_penalty is not None and history is not None:
            grad_penalty[rows] = -aligned.gather(1, history[rows]).sum(dim=1, dtype=dtype) / n_rows
    return loss.mean(), None if grad_hidden is None else grad_hidden.div_(n_rows), grad_table, grad_penalty


def _to_gradient_of_logits(block: Tensor, target: Tensor, dtype: torch.dtype) -> Tensor:
    """Turn logits [C, M] in place into softmax minus one-hot target, and return the losses [C] of the given type."""
    column = target.unsqueeze(1)
    largest, wanted = block.amax(dim=1).to(dtype), block.gather(1, column).squeeze(1)  # [C]
    torch.softmax(block, dim=1, out=block)
    # The largest probability is exp(0) / sum, so it gives the normaliser without a second pass of exponentials. Unlike
    # the target's own probability, it never underflows.
    loss = largest - block.amax(dim=1).to(dtype).log() - wanted
    block.scatter_(1, column, block.gather(1, column) - 1)
    return loss


def _add_product(total: Tensor, weight: Tensor, hidden: Tensor) -> None:
    if total.dtype == weight.dtype:
        total.addmm_(weight.t(), hidden)
    else:
        total.add_(weight.t() @ hidden)


def _product_dtype(hidden: Tensor, table: Tensor) -> torch.dtype:
    """The type that autocast, or its absence, gives to a product of the two; found by multiplying zero rows."""
    dtype = (hidden[:0] @ table[:0].t()).dtype
    return torch.float32 if dtype == torch.float16 else dtype
