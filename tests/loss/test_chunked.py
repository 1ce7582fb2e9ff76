"""Chunked cross-entropy: exact loss and gradients, whatever the chunk, type and use of the table."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from recbole_cl.loss.chunked import chunked_cross_entropy, default_chunk_rows
from recbole_cl.loss.recommendation import cross_entropy

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


def problem(
    dtype: torch.dtype = torch.float64, rows: int = 37, items: int = 101, width: int = 8, device: str = "cpu"
) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(5)
    hidden = torch.randn(rows, width, generator=generator, dtype=torch.float64)
    table = torch.randn(items, width, generator=generator, dtype=torch.float64)
    target = torch.randint(0, items, (rows,), generator=generator)
    return (
        hidden.to(device, dtype).requires_grad_(),
        table.to(device, dtype).requires_grad_(),
        target.to(device),
    )


def gradients(loss: Tensor, *leaves: Tensor) -> tuple[Tensor, ...]:
    return torch.autograd.grad(loss, leaves)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("chunk_rows", [1, 5, 16, 36, 37, 1000, None])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-13)])
def test_equals_the_plain_loss(dtype: torch.dtype, tolerance: float, chunk_rows: int | None, device: str) -> None:
    hidden, table, target = problem(dtype, device=device)
    ours, plain = chunked_cross_entropy(hidden, table, target, chunk_rows), cross_entropy(hidden, table, target)
    assert ours.dtype == dtype and ours.shape == ()
    torch.testing.assert_close(ours, plain, rtol=tolerance, atol=tolerance)
    for gradient, expected in zip(gradients(ours, hidden, table), gradients(plain, hidden, table), strict=True):
        assert gradient.dtype == dtype
        torch.testing.assert_close(gradient, expected, rtol=tolerance, atol=tolerance)


def test_gradcheck() -> None:
    hidden, table, target = problem(rows=5, items=7, width=3)
    assert torch.autograd.gradcheck(lambda h, e: chunked_cross_entropy(h, e, target, 2), (hidden, table))


def test_backward_scales_and_can_run_twice() -> None:
    hidden, table, target = problem()
    once = gradients(cross_entropy(hidden, table, target), hidden, table)
    loss = chunked_cross_entropy(hidden, table, target, 10)
    (3 * loss).backward(retain_graph=True)
    loss.backward()
    for leaf, expected in zip((hidden, table), once, strict=True):
        torch.testing.assert_close(leaf.grad, 4 * expected)


@pytest.mark.parametrize("frozen", [0, 1])
def test_frozen_input_gets_no_gradient(frozen: int) -> None:
    hidden, table, target = problem()
    leaves = [hidden, table]
    leaves[frozen].requires_grad_(False)
    chunked_cross_entropy(hidden, table, target, 10).backward()
    assert leaves[frozen].grad is None
    expected = gradients(cross_entropy(hidden, table, target), leaves[1 - frozen])[0]
    torch.testing.assert_close(leaves[1 - frozen].grad, expected)


def test_without_grad_only_the_loss_is_computed() -> None:
    hidden, table, target = problem()
    plain = cross_entropy(hidden, table, target).detach()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        loss = chunked_cross_entropy(hidden, table, target, 10)
    assert not loss.requires_grad and counter.get_total_flops() == 2 * hidden.numel() * len(table)  # no gradient's
    torch.testing.assert_close(loss, plain)


def test_tied_table_adds_both_gradients() -> None:
    _, table, target = problem()
    items = torch.arange(len(target)) % 20

    def tied(loss: object) -> Tensor:
        hidden = torch.nn.functional.embedding(items, table).tanh()
        return gradients(loss(hidden, table[:-1], target.clamp(max=99)), table)[0]  # type: ignore[operator]

    torch.testing.assert_close(tied(chunked_cross_entropy), tied(cross_entropy))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("low", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("encoded", [torch.float32, torch.bfloat16])
def test_autocast(low: torch.dtype, encoded: torch.dtype, device: str) -> None:
    hidden, table, target = problem(torch.float32, device=device)
    state = hidden.detach().to(encoded).requires_grad_()  # under autocast an encoder hands over its own type
    with torch.autocast(device, dtype=low):
        loss = chunked_cross_entropy(state, table, target, 10)
    plain = cross_entropy(hidden, table, target)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, plain, rtol=0.01, atol=0.01)
    ours, expected = gradients(loss, state, table), gradients(plain, hidden, table)
    assert (ours[0].dtype, ours[1].dtype) == (encoded, torch.float32)
    for gradient, reference in zip(ours, expected, strict=True):
        assert torch.linalg.vector_norm(gradient - reference) < 0.02 * torch.linalg.vector_norm(reference)


def test_float16_autocast_loses_nothing() -> None:
    hidden, table, target = problem(torch.float32)
    with torch.autocast("cpu", dtype=torch.float16):
        loss = chunked_cross_entropy(hidden, table, target)
    plain = cross_entropy(hidden, table, target)
    torch.testing.assert_close(loss, plain, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(gradients(loss, hidden, table), gradients(plain, hidden, table), rtol=1e-5, atol=1e-7)


def test_target_of_vanishing_probability_keeps_its_loss() -> None:
    hidden = torch.ones(2, 1, requires_grad=True)
    table = torch.tensor([[0.0], [300.0], [-300.0]], requires_grad=True)
    loss = chunked_cross_entropy(hidden, table, torch.tensor([2, 1]))
    assert loss.item() == pytest.approx(300)
    assert gradients(loss, table)[0].flatten().tolist() == pytest.approx([0, 0.5, -0.5])


def test_inputs_are_not_written_to() -> None:
    hidden, table, target = problem()
    before = hidden.detach().clone(), table.detach().clone(), target.clone()
    chunked_cross_entropy(hidden, table, target, 10).backward()
    assert all(torch.equal(now, then) for now, then in zip((hidden, table, target), before, strict=True))


def test_no_block_is_larger_than_a_chunk() -> None:
    hidden, table, target = problem(torch.float32, rows=64, items=500)
    largest = 0

    class Watch(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, function, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            nonlocal largest
            result = function(*args, **(kwargs or {}))
            if isinstance(result, Tensor):
                largest = max(largest, result.numel())
            return result

    with Watch():
        chunked_cross_entropy(hidden, table, target, 20).backward()
    assert largest == 20 * 512  # more than 500, a multiple of 16


@pytest.mark.parametrize(("items", "device", "rows"), [(12_101, "cpu", 128), (10**6, "cpu", 32), (10**6, "cuda", 64)])
def test_default_chunk(items: int, device: str, rows: int) -> None:
    assert default_chunk_rows(items, torch.device(device)) == rows


def test_bad_input_is_refused() -> None:
    hidden, table, target = problem()
    with pytest.raises(ValueError, match="^history and penalty belong together"):
        chunked_cross_entropy(hidden, table, target, penalty=hidden[:, 0])
    with pytest.raises(ValueError, match="^chunk_rows is 0; .*at least 1"):
        chunked_cross_entropy(hidden, table, target, 0)
    with pytest.raises(ValueError, match="hidden has no rows"):
        chunked_cross_entropy(hidden[:0], table, target[:0])
