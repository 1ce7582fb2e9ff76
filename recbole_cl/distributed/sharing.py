r"""How W processes share the work of one training step.

Every process runs the same program on the same global batch: order, views, masks and negatives come from generators in
the same state. Only expensive work is divided among the processes, row by row: the encoding of rows, and losses over
many targets. Their results are exchanged. Everything else, such as the comparison of views, is computed by every
process on the whole batch. So a method need not know about processes, and its step equals that of one process, up to
the rounding of sums.

Gradients: the total loss is the same number in all processes, and each process differentiates a W-th of it. In the
backward pass, the exchange of outputs sums the gradients that all processes have for an output. The sum of a weight's
gradients over all processes is then its gradient.

Letters: W processes, B rows, T targets, D hidden size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from recbole_cl.batch import Rows
from recbole_cl.distributed.processes import together, world

_sharing = False


@contextmanager
def shared_work() -> Iterator[None]:
    """Divides shareable work among the processes while the block runs; all of them must run the same block."""
    global _sharing
    before, _sharing = _sharing, world().size > 1
    try:
        yield
    finally:
        _sharing = before


def share_of(n: int, rank: int) -> slice:
    """The rows of the given process out of n: contiguous, and equally many for each process up to one row."""
    size = world().size
    return slice(n * rank // size, n * (rank + 1) // size)


def encode_in_shares(
    encode: Callable[..., list[Tensor]], segments: Sequence[Rows], generator: torch.Generator
) -> list[Tensor]:
    """Encodes views; each process encodes its share of the rows of each view.

    Args:
        encode: Encodes segments of rows, and returns the outputs of each, row after row.
        segments: The segments, the same in all processes.
        generator: The generator that ``encode`` uses in addition to torch's default ones; its state is restored.

    Returns:
        The outputs of all rows of each segment, in every process.
    """
    if not _sharing:
        return encode(*segments)
    rank, size = world()
    mine = [share_of(len(rows.seq_len), rank) for rows in segments]
    with _own_draws(generator, segments[0].seq_len.device):
        # An empty share encodes the first row and drops its outputs, so that gradients exist in every process.
        outputs = encode(*(_taken(rows, it) for rows, it in zip(segments, mine, strict=True)))
    counts = [
        _n_outputs(rows, output.shape[0], it) for rows, output, it in zip(segments, outputs, mine, strict=True)
    ]  # of each segment, by process
    kept = [output[: count[rank]] for output, count in zip(outputs, counts, strict=True)]
    totals = [sum(count[r] for count in counts) for r in range(size)]
    whole = _Gather.apply(torch.cat(kept), totals).split([count[r] for r in range(size) for count in counts])
    return [torch.cat(whole[i :: len(segments)]) for i in range(len(segments))]


def mean_in_shares(mean: Callable[..., Tensor], *rows: Tensor) -> Tensor:
    """A mean over T rows, to which each process contributes its share of the rows.

    Args:
        mean: Maps the rows to their mean, a scalar.
        *rows: Tensors with T rows, the same in all processes.

    Returns:
        The mean over all T.
    """
    if not _sharing:
        return mean(*rows)
    n = len(rows[0])
    mine = share_of(n, world().rank)
    taken = mine if mine.stop > mine.start else slice(0, 1)  # the first row, with weight 0
    total: Tensor = _Sum.apply(mean(*(it[taken] for it in rows)) * ((mine.stop - mine.start) / n))
    return total


def backward(total: Tensor, parameters: Iterable[nn.Parameter]) -> None:
    """Computes the gradients of a total loss that is the same in all processes, and stores them in the parameters."""
    if not _sharing:
        total.backward()
        return
    (total / world().size).backward()
    gradients = [it.grad for it in parameters if it.grad is not None]
    for dtype in {it.dtype: None for it in gradients}:  # in their order
        group = [it for it in gradients if it.dtype == dtype]
        flat = torch.cat([it.flatten() for it in group])
        together(lambda flat=flat: dist.all_reduce(flat))  # type: ignore[misc]
        for it, summed in zip(group, flat.split([it.numel() for it in group]), strict=True):
            it.copy_(summed.view_as(it))


def take_from_first(tensors: Iterable[Tensor]) -> None:
    """Overwrites tensors that all processes have computed, such as centroids, by those of the first process."""
    if world().size > 1:
        for tensor in tensors:
            together(lambda tensor=tensor: dist.broadcast(tensor, 0))  # type: ignore[misc]


def filled_by_all(tensor: Tensor) -> Tensor:
    """Assembles a tensor in which each process has filled its own positions and left the others 0."""
    if world().size > 1:
        together(lambda: dist.all_reduce(tensor))
    return tensor


@contextmanager
def _own_draws(generator: torch.Generator, device: torch.device) -> Iterator[None]:
    """Gives each process its own dropout masks in the block; after it, all processes have the same draws again."""
    seed = int(torch.randint(2**48, ())) + world().rank  # the host's generator is in the same state everywhere
    before = generator.get_state()
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        generator.manual_seed(seed)
        try:
            yield
        finally:
            generator.set_state(before)


def _taken(rows: Rows, mine: slice) -> Rows:
    taken = mine if mine.stop > mine.start else slice(0, 1)
    host = None if rows.host is None else rows.host._replace(values=rows.host.values[taken])
    return rows._replace(item_seq=rows.item_seq[taken], seq_len=rows.seq_len[taken], places=None, host=host)


def _n_outputs(rows: Rows, n_own: int, mine: slice) -> list[int]:
    """The number of a segment's outputs per process; the host waits for a GPU if it does not know the lengths."""
    shares = [share_of(len(rows.seq_len), rank) for rank in range(world().size)]
    if rows.wanted == "items":
        known = rows.host if rows.host is not None and rows.host.exact else None
        lengths: list[int] = (rows.seq_len if known is None else known.values).tolist()
        return [sum(lengths[it]) for it in shares]
    of_each = n_own // max(mine.stop - mine.start, 1)  # 1, or all columns
    return [of_each * (it.stop - it.start) for it in shares]


class _Gather(torch.autograd.Function):
    """The rows of all processes; each process knows the number of rows of every other one."""

    @staticmethod
    def forward(ctx: Any, own: Tensor, counts: list[int]) -> Tensor:
        ctx.counts = counts
        longest = max(counts)
        padded = own.new_zeros(longest, *own.shape[1:])
        padded[: len(own)] = own
        parts = [torch.empty_like(padded) for _ in counts]
        together(lambda: dist.all_gather(parts, padded))
        return torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        asked = gradients[0].clone(memory_format=torch.contiguous_format)
        together(lambda: dist.all_reduce(asked))
        return asked.split(ctx.counts)[world().rank], None


class _Sum(torch.autograd.Function):
    """The sum over all processes; its gradient, equal in all of them, is passed on unchanged."""

    @staticmethod
    def forward(ctx: Any, own: Tensor) -> Tensor:
        total = own.clone()
        together(lambda: dist.all_reduce(total))
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return gradients[0] * world().size
