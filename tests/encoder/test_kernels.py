"""All ways to compute attention give the same, in outputs and gradients; masks are made once, scores never at once."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from recbole_cl.batch import Rows
from recbole_cl.encoder import blocked, kernels
from recbole_cl.encoder.dropout import Dropout
from recbole_cl.encoder.packing import Group, both_ways, pack
from recbole_cl.encoder.registry import EncoderSettings
from recbole_cl.encoder.sight import Sight
from recbole_cl.encoder.transformer import TransformerEncoder

WIDTH = 9
NO_DROPOUT = Dropout(0.0)


def group_of(kind: str) -> Group:
    generator = torch.Generator().manual_seed(0)
    seq_len = torch.randint(1, WIDTH + 1, (7,), generator=generator)
    seq_len[0] = WIDTH
    item_seq = torch.randint(1, 30, (7, WIDTH), generator=generator) * (torch.arange(WIDTH) < seq_len.unsqueeze(1))
    rows = Rows(item_seq, seq_len, "columns" if kind == "padding" else "items", holes=kind == "holes")
    if kind == "holes":
        rows = rows._replace(item_seq=item_seq.masked_fill(torch.rand(item_seq.shape, generator=generator) < 0.4, 0))
    packing = pack([rows], False)
    return (both_ways(packing) if kind == "both ways" else packing).groups[0]


def inputs(dtype: torch.dtype = torch.float64) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(7, 2, WIDTH, 4, dtype=dtype, generator=generator).requires_grad_() for _ in range(3)]


def results(way: Any, sight: Sight) -> list[Tensor]:
    qkv = inputs()
    context = way(*qkv, sight)
    return [context, *torch.autograd.grad(context.sin().sum(), qkv)]


@pytest.mark.parametrize("kind", ["items", "both ways", "holes", "padding"])
def test_all_ways_give_the_same(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sight = Sight(group_of(kind), one_way=True)
    plain = results(lambda q, k, v, it: kernels.attend(q, k, v, it, NO_DROPOUT), sight)
    fused = results(lambda q, k, v, it: kernels._fused(q, k, v, it, 0.0), sight)
    monkeypatch.setattr(blocked, "_BLOCK", 2 * 4 * WIDTH * 3)  # three rows
    monkeypatch.setattr(blocked, "_QUERIES", 4)
    monkeypatch.setattr(kernels, "_MOST_SCORES", 0)
    in_blocks = results(lambda q, k, v, it: kernels.attend(q, k, v, it, NO_DROPOUT), sight)
    for a, b, c in zip(plain, fused, in_blocks, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)
        torch.testing.assert_close(a, c, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("kind", ["items", "padding"])
def test_blocks_draw_the_same_dropout_backward(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocked, "_BLOCK", 2 * 4 * WIDTH * 3)
    monkeypatch.setattr(blocked, "_QUERIES", 4)
    sight = Sight(group_of(kind), one_way=True)

    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return blocked.blocked_attention(q, k, v, sight, 0.5, torch.Generator().manual_seed(3))

    assert torch.autograd.gradcheck(attend, inputs(), fast_mode=True)


def test_dropout_in_blocks_is_unbiased() -> None:
    sight, generator = Sight(group_of("items"), one_way=True), torch.Generator().manual_seed(5)
    q, k, v = (it.detach() for it in inputs())
    drawn = torch.stack([blocked.blocked_attention(q, k, v, sight, 0.3, generator) for _ in range(800)])
    exact = blocked.blocked_attention(q, k, v, sight, 0.0, generator)
    error = drawn.std(0) / 800**0.5
    assert ((drawn.mean(0) - exact).abs() < 5 * error + 1e-12).all() and drawn.std(0).max() > 0.1


class Watch(TorchDispatchMode):
    """The largest tensor that was made, and how often each operation was called."""

    def __init__(self) -> None:
        super().__init__()
        self.largest, self.calls = 0, dict[str, int]()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = function(*args, **(kwargs or {}))
        for it in out if isinstance(out, tuple | list) else [out]:
            self.largest = max(self.largest, it.numel() if isinstance(it, Tensor) else 0)
        name = function.name().removeprefix("aten::").split(".")[0]
        self.calls[name] = self.calls.get(name, 0) + 1
        return out


def encode(n_layers: int, length: int, n_rows: int) -> Watch:
    settings = EncoderSettings(n_layers, 2, 16, 32, 0.5, 0.5, 1e-12, length)
    encoder = TransformerEncoder(settings, torch.Generator().manual_seed(0))
    rows = Rows(torch.ones(n_rows, length, dtype=torch.int64), torch.full((n_rows,), length), "items", holes=True)
    packing = pack([rows], True)
    with Watch() as watch:
        encoder(torch.randn(n_rows * length, 16), packing).sum().backward()
    return watch


def test_masks_are_made_once_for_all_layers() -> None:
    assert encode(3, 12, 4).calls["masked_fill_"] == encode(1, 12, 4).calls["masked_fill_"] == 1


def test_memory_is_linear_in_the_length() -> None:
    long, short = (encode(1, length, 16).largest for length in (1024, 512))
    assert long == 2 * short < 16 * 2 * 1024 * 1024  # of scores
