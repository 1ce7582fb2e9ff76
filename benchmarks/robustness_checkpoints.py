"""Checkpoints that are damaged, at random or on purpose."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import torch

from benchmarks._children import Outcome, Part, problem, start
from recbole_cl import load, run
from recbole_cl.errors import UsageError
from recbole_cl.runs.folder import BEST, LAST
from recbole_cl.testing.toy import TINY, write_cycle
from recbole_cl.trainer.checkpoint import load_checkpoint


def flipped_bits(content: bytes, random: Random) -> bytes:
    """Flips one to three bits."""
    changed = bytearray(content)
    for _ in range(random.randint(1, 3)):
        changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


def cut_short(content: bytes, random: Random) -> bytes:
    """Cuts off the end."""
    return content[: random.randrange(len(content))]


def blank_block(content: bytes, random: Random) -> bytes:
    """Overwrites a block with zeros, as if the disk had never written it."""
    begin = random.randrange(0, len(content), 4096)
    return content[:begin] + bytes(min(4096, len(content) - begin)) + content[begin + 4096 :]


def moved_block(content: bytes, random: Random) -> bytes:
    """Puts a block in the place of another one."""
    a, b = (random.randrange(0, len(content), 512) for _ in range(2))
    return content[:a] + content[b : b + 512] + content[a + 512 :]


def without_an_entry(content: bytes, random: Random) -> bytes:
    """Removes an entry, or changes its type, in an otherwise intact file."""
    state = torch.load(io.BytesIO(content), weights_only=True)
    key = random.choice(sorted(state))
    strange: list[Any] = ["x", None, [], {}, -(2**70), float("nan"), torch.zeros(3), {"a": "b"}]
    state = {k: v for k, v in state.items() if k != key} | (
        {key: random.choice(strange)} if random.random() < 0.8 else {}
    )
    torch.save(state, file := io.BytesIO())
    return file.getvalue()


DAMAGES: list[Callable[[bytes, Random], bytes]] = [
    *(flipped_bits, cut_short, blank_block, moved_block, without_an_entry),
]


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, dict):
        return isinstance(other, dict) and one.keys() == other.keys() and all(_equal(one[k], other[k]) for k in one)
    if isinstance(one, list | tuple):
        return type(one) is type(other) and len(one) == len(other) and all(map(_equal, one, other))
    return type(one) is type(other) and bool(one == other or one != one)


def _damaged_checkpoints(count: int, random: Random, folder: Path) -> Iterator[Outcome]:
    settings = TINY | write_cycle(folder)
    whole = run("DuoRec", "cycle", epochs=2, **(settings | {"state": "error"})).run_dir
    contents = {name: (whole / name).read_bytes() for name in (BEST, LAST)}
    states = {name: load_checkpoint(whole / name) for name in contents}
    for case in range(count):
        name, damage = (BEST, LAST)[case % 2], DAMAGES[case // 2 % len(DAMAGES)]
        copy = shutil.copytree(whole, folder / f"copy-{case}")
        (copy / name).write_bytes(damage(contents[name], random))
        label = f"{name}, {damage.__name__}, case {case}"
        try:
            same = _equal(states[name], load_checkpoint(copy / name))
        except UsageError:
            same = False
        child = start(["train", f"--resume={copy}"] if name == LAST else partial(load, copy), folder)
        code = child.wait()
        if wrong := problem(child, code):
            yield Outcome(label, wrong, good=False)
        elif code == 2:
            yield Outcome(label, "refused in one line", good=True)
        elif same:
            yield Outcome(label, "taken: no value in it has changed", good=True)
        else:
            allowed = damage is without_an_entry  # figures that nothing depends on, such as seconds
            yield Outcome(label, "taken: an entry that nothing reads, or of a right type, is another", good=allowed)


PARTS = {
    "checkpoints": Part("checkpoints with other bits, blocks or entries, or cut short", 200, _damaged_checkpoints),
}
