"""The processes that torchrun starts to train a run together; without torchrun there is one, and nothing happens here.

Letters: W processes.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from recbole_cl.errors import ProcessLost, UsageError

if TYPE_CHECKING:
    import torch

_ARRIVAL = timedelta(minutes=30)  # until all processes have read their data; longer than any epoch's own work
_NEEDED = ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")  # set by torchrun, in addition to WORLD_SIZE


class World(NamedTuple):
    """One process among several.

    Attributes:
        rank: Its number, 0..W-1; process 0 writes the files and the output for the user.
        size: W.
    """

    rank: int
    size: int


_ALONE = World(0, 1)
_world = _ALONE


def world() -> World:
    """This process among those that have joined; a single process before ``join``."""
    return _world


def started(environment: Mapping[str, str] = os.environ) -> World:
    """This process among those that torchrun has started, whether or not they have joined.

    Raises:
        UsageError: If the environment names several processes but does not say how they find each other.
    """
    size = environment.get("WORLD_SIZE", "1")
    if not size.isdecimal() or int(size) < 2:
        return _ALONE
    numbers = {name: environment.get(name, "0") for name in ("RANK", "LOCAL_RANK", "LOCAL_WORLD_SIZE")}
    if wrong := [f"{name} = {value}" for name, value in numbers.items() if value and not value.isdecimal()]:
        raise UsageError(f"{', '.join(wrong)}: expected a number; start the processes by torchrun")
    if missing := [name for name in _NEEDED if not environment.get(name)]:
        raise UsageError(
            f"WORLD_SIZE = {size}, but {', '.join(missing)} is missing: start the processes by torchrun, or unset "
            "WORLD_SIZE for one process"
        )
    return World(int(environment["RANK"]), int(size))


def is_first(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this process writes the output for the user, as the first of several or the only one."""
    return environment.get("WORLD_SIZE", "1") in ("", "1") or environment.get("RANK", "0") == "0"


def local_place(environment: Mapping[str, str] = os.environ) -> World:
    """This process among those that torchrun has started on the same machine."""
    if started(environment).size == 1:
        return _ALONE
    return World(int(environment["LOCAL_RANK"]), int(environment.get("LOCAL_WORLD_SIZE", environment["WORLD_SIZE"])))


def join(device: torch.device) -> World:
    """Connects to the other processes, if there are any; a second call does nothing.

    Args:
        device: Device on which this process trains: NCCL connects GPUs, gloo everything else.

    Returns:
        This process among them.

    Raises:
        UsageError: If not all processes arrive, or only some of them train on a GPU.
    """
    global _world
    here = started()
    if here.size == 1 or _world.size > 1:
        return _world
    import logging

    import torch
    import torch.distributed as dist

    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "cpu:gloo"
    try:
        store, rank, size = next(dist.rendezvous("env://", timeout=_ARRIVAL))
        # It still contains the addresses of processes before torchrun restarted them.
        store = dist.PrefixStore(f"attempt {os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store)
        dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=_ARRIVAL)
    except (RuntimeError, ValueError) as error:  # base classes of all errors that these calls raise
        words = " ".join(str(error).split())[:200]
        raise UsageError(f"the {here.size} processes did not find one another: {words}") from error
    atexit.register(dist.destroy_process_group)
    _world = here
    if here.rank:
        logging.disable(logging.CRITICAL)  # only the first process logs
    on_gpu = torch.tensor([float(device.type == "cuda")])
    together(lambda: dist.all_reduce(on_gpu))
    if on_gpu.item() not in (0, here.size):
        raise UsageError(
            f"{int(on_gpu)} of {here.size} processes have a GPU: start as many as there are, or set use_gpu to False"
        )
    return here


def together(collective: Callable[[], object]) -> None:
    """Runs an operation in which all processes take part.

    Raises:
        ProcessLost: If one of them has ended.
    """
    try:
        collective()
    except RuntimeError as error:
        raise ProcessLost("another process of this run has ended, and so does this one") from error


def wait() -> None:
    """Waits until every process arrives: after that, all can read what the first one wrote before."""
    if _world.size > 1:
        import torch
        import torch.distributed as dist

        together(lambda: dist.all_reduce(torch.zeros(1)))


def of_first(make: Callable[[], str]) -> str:
    """A text that the first process makes, for all of them.

    Args:
        make: Called only by the first process.
    """
    if _world.size == 1:
        return make()
    import torch
    import torch.distributed as dist

    written = make().encode() if _world.rank == 0 else b""
    size = torch.tensor([len(written)])
    together(lambda: dist.broadcast(size, 0))
    content = torch.zeros(int(size), dtype=torch.uint8)
    content[: len(written)] = torch.frombuffer(bytearray(written), dtype=torch.uint8) if written else 0
    together(lambda: dist.broadcast(content, 0))
    return bytes(content.tolist()).decode()


def agree_on(what: str, value: str) -> None:
    """Makes sure that a value is the same in all processes.

    Args:
        what: Its name, for the message.
        value: The value in this process.

    Raises:
        UsageError: If the first process has another value.
    """
    if of_first(lambda: value) != value:
        raise UsageError(f"process {_world.rank} has other {what} than process 0: give all the same files and settings")


def own_gpu(asked: int | str | tuple[int, ...], place: World) -> str:
    """This process's GPU, out of those asked for on its machine; empty if none is asked for."""
    gpus = [str(it) for it in asked] if isinstance(asked, tuple) else str(asked).split(",")
    if gpus in ([], [""], ["-1"]):
        return ""
    if len(gpus) < place.size:
        raise UsageError(
            f"gpu_id = {','.join(gpus)}: each of {place.size} processes on this machine needs a GPU; name as many, "
            "start fewer, or set use_gpu to False"
        )
    return gpus[place.rank]
