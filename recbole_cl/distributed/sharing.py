r"""How W processes share the work of one training step.

Every process runs the same program on the same global batch: order, views, masks and negatives come from generators in
the same state. Only what is costly is shared out, row by row, and its results are exchanged: the encoding of rows, and
losses over many targets. All else, such as the comparison of views, is computed everywhere on the whole batch. So a
method knows nothing of processes, and its step is that of one process, up to the rounding of sums.

Gradients: the total loss is the same number everywhere, and each process differentiates a W-th of it. The exchange of
outputs adds up what all processes ask of an output, and the sum over processes of a weight's gradients is its gradient.

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
    """Shares out what can be while the block runs, in which all processes must do the same."""
    global _sharing
    before, _sharing = _sharing, world().size > 1
    try:
        yield
    finally:
        _sharing = before


def share_of(n: int, rank: int) -> slice:
    """Which of n rows are the given process's: contiguous, and as many as the others' or one more or less."""
    size = world().size
    return slice(n * rank // size, n * (rank + 1) // size)


def encode_in_shares(
    encode: Callable[..., list[Tensor]], segments: Sequence[Rows], generator: torch.Generator
) -> list[Tensor]:
    """Encodes views, each process its share of the rows of each.

    Args:
        encode: Encodes segments of rows: gives the outputs of each, row after row.
        segments: The same on all processes.
        generator: What ``encode`` draws from, beside torch's default ones; it is left as it was.

    Returns:
        The outputs of all rows of each segment, on every process.
    """
    if not _sharing:
        return encode(*segments)
    rank, size = world()
    mine = [share_of(len(rows.seq_len), rank) for rows in segments]
    with _own_draws(generator, segments[0].seq_len.device):
        # A share without rows encodes the first and keeps none of its outputs: gradients then exist everywhere.
        outputs = encode(*(_taken(rows, it) for rows, it in zip(segments, mine, strict=True)))
    counts = [
        _n_outputs(rows, output.shape[0], it) for rows, output, it in zip(segments, outputs, mine, strict=True)
    ]  # of each segment, by process
    kept = [output[: count[rank]] for output, count in zip(outputs, counts, strict=True)]
    totals = [sum(count[r] for count in counts) for r in range(size)]
    whole = _Gather.apply(torch.cat(kept), totals).split([count[r] for r in range(size) for count in counts])
    return [torch.cat(whole[i :: len(segments)]) for i in range(len(segments))]


def mean_in_shares(mean: Callable[..., Tensor], *rows: Tensor) -> Tensor:
    """A mean over T rows, to which each process adds the part of its share.

    Args:
        mean: Takes the rows and gives their mean, a scalar.
        *rows: Tensors with T rows, the same on all processes.

    Returns:
        The mean over all T.
    """
    if not _sharing:
        return mean(*rows)
    n = len(rows[0])
    mine = share_of(n, world().rank)
    taken = mine if mine.stop > mine.start else slice(0, 1)  # the first one, which then counts nothing
    total: Tensor = _Sum.apply(mean(*(it[taken] for it in rows)) * ((mine.stop - mine.start) / n))
    return total


def backward(total: Tensor, parameters: Iterable[nn.Parameter]) -> None:
    """Leaves the gradients of a total loss, which is the same on all processes, in the parameters."""
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
    """Gives every process the first one's values of tensors that all have computed, such as centroids."""
    if world().size > 1:
        for tensor in tensors:
            together(lambda tensor=tensor: dist.broadcast(tensor, 0))  # type: ignore[misc]


def filled_by_all(tensor: Tensor) -> Tensor:
    """Puts a tensor together whose places each process has filled as far as they are its own, and left 0 elsewhere."""
    if world().size > 1:
        together(lambda: dist.all_reduce(tensor))
    return tensor


@contextmanager
def _own_draws(generator: torch.Generator, device: torch.device) -> Iterator[None]:
    """Gives each process dropout masks of its own in the block, and all the same draws as the others after it."""
    seed = int(torch.randint(2**48, ())) + world().rank  # from the host's generator, which is the same everywhere
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
    """How many outputs of a segment each process gives; the host waits for a GPU if it knows too little of lengths."""
    shares = [share_of(len(rows.seq_len), rank) for rank in range(world().size)]
    if rows.wanted == "items":
        known = rows.host if rows.host is not None and rows.host.exact else None
        lengths: list[int] = (rows.seq_len if known is None else known.values).tolist()
        return [sum(lengths[it]) for it in shares]
    of_each = n_own // max(mine.stop - mine.start, 1)  # 1, or all columns
    return [of_each * (it.stop - it.start) for it in shares]


class _Gather(torch.autograd.Function):
    """The rows of all processes, of which each knows how many every one has."""

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
    """The sum over all processes, from whose equal gradients each takes the whole of its own."""

    @staticmethod
    def forward(ctx: Any, own: Tensor) -> Tensor:
        total = own.clone()
        together(lambda: dist.all_reduce(total))
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return gradients[0] * world().size
