"""Runs that are killed or terminated, and disks that fill up during runs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch

from benchmarks._children import Child, Outcome, Part, flags, problem, start
from recbole_cl.config.models import own_models
from recbole_cl.runs.folder import BEST, CONFIG, LAST, RANKS, RESULT
from recbole_cl.testing.toy import TINY, write_cycle

_SETTINGS = {**TINY, "epochs": 4, "train_batch_size": 64}
# Settings with which a run folder contains more, or a training does more, than by default.
_VARIANTS: list[tuple[str, dict[str, Any]]] = [
    *((name, {"pretrain_epochs": 2} if name == "S3Rec_MIP" else {}) for name in own_models()),
    ("AdaptiveRec", {"complement": "gru", "complement_epochs": 2}),
    ("CoSeRec", {"pretrain_epochs": 2}),
    ("SASRec", {"learning_rate_schedule": "cosine", "eval_step": 2}),
    ("DuoRec", {"train_form": "sequence"}),
    ("GRU4Rec", {"embedding_size": 16, "hidden_size": 16, "inner_size": None}),
]


class Reference:
    """An undisturbed run."""

    def __init__(self, folder: Path, model: str, settings: dict[str, Any]) -> None:
        self.folder = folder
        data = write_cycle(folder / "data")["data_path"]
        given = {key: it for key, it in {**_SETTINGS, "data_path": data, **settings}.items() if it is not None}
        self.arguments = ["train", "-m", model, "-d", "cycle", *flags(given)]
        self.name, begin = f"{model} {settings}" if settings else model, time.monotonic()
        child = self.train(folder / "saved")
        if child.wait() != 0:
            raise RuntimeError(f"{self.name} fails by itself: {child.text}")
        self.seconds = time.monotonic() - begin
        run = only_run(folder / "saved")
        if run is None:
            raise RuntimeError(f"{self.name} leaves no run folder")
        self.run = run

    def train(self, saved: Path) -> Child:
        """Begins the same run in its own folder."""
        return start([*self.arguments, f"--checkpoint_dir={saved}"], self.folder)

    def equals(self, run: Path) -> bool:
        """Whether another run has the same figures, ranks and weights, bit by bit."""
        mine, other = (json.loads((it / RESULT).read_text()) for it in (self.run, run))
        same = all(mine[key] == other[key] for key in ("test", "valid", "best_epoch", "epochs_run"))
        ranks = all(np.array_equal(np.load(self.run / name), np.load(run / name)) for name in RANKS.values())
        weights, others = (torch.load(it / BEST, weights_only=True)["state_dict"] for it in (self.run, run))
        return same and ranks and all(torch.equal(others[name], value) for name, value in weights.items())


def only_run(saved: Path) -> Path | None:
    """The run folder in a folder, if there is one."""
    return next((path for path in saved.glob("*") if path.is_dir()), None)


def goes_on(reference: Reference, run: Path) -> tuple[str, bool]:
    """Resumes a run, and compares the result."""
    child = start(["train", f"--resume={run}"], reference.folder)
    if wrong := problem(child, child.wait()):
        return f"resumed: {wrong}", False
    if not (run / RESULT).is_file():
        return "resumed: refused", False
    if leftovers := [*run.glob("**/*.tmp")]:
        return f"left {leftovers[0].name}", False
    return ("went on, equal to the last bit", True) if reference.equals(run) else ("went on to other figures", False)


def resumable(run: Path | None) -> bool:
    """Whether a folder holds a state to resume from."""
    states = [] if run is None else [run / LAST, run / "complement" / LAST]
    return run is not None and (run / CONFIG).is_file() and any(state.is_file() for state in states)


def _kills(count: int, random: Random, folder: Path) -> Iterator[Outcome]:
    yield from _ended_by(signal.SIGKILL, count, random, folder)


def _terminations(count: int, random: Random, folder: Path) -> Iterator[Outcome]:
    yield from _ended_by(signal.SIGTERM, count, random, folder)


def _ended_by(number: int, count: int, random: Random, folder: Path) -> Iterator[Outcome]:
    references: dict[int, Reference] = {}
    for case in range(count):
        place = case % len(_VARIANTS)
        if place not in references:
            references[place] = Reference(folder / str(place), *_VARIANTS[place])
        reference, saved = references[place], folder / f"killed-{case}"
        child, at = reference.train(saved), random.uniform(0, reference.seconds)
        time.sleep(at)
        child.kill(number)
        code = child.wait()
        name = f"{reference.name} after {at:.2f} of {reference.seconds:.2f} s"
        run = only_run(saved)
        if code not in (-number, 128 + number, 0) or "Traceback" in child.text:
            yield Outcome(name, f"ends with code {code}", good=False)
        elif run is not None and (run / RESULT).is_file():
            yield Outcome(name, "was done before", good=reference.equals(run))
        elif run is None or not resumable(run):
            yield Outcome(name, "had kept nothing yet", good=True)
        elif number == signal.SIGTERM and f"--resume={run}" not in child.text:
            yield Outcome(name, "did not say how to go on", good=False)
        else:
            yield Outcome(name, *goes_on(reference, run))


@contextmanager
def _disk(place: Path, size: int) -> Iterator[None]:
    place.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(place)], check=True)


def _full_disks(count: int, random: Random, folder: Path) -> Iterator[Outcome]:
    """Needs the right to mount: a disk of a certain size is a tmpfs."""
    if os.getuid() != 0:
        yield Outcome("all", "not tried: only root may mount a disk", good=True)
        return
    reference = Reference(folder / "reference", "DuoRec", {})
    whole = sum(path.stat().st_size for path in reference.run.rglob("*") if path.is_file())
    for case in range(count):
        size = int(whole * 1.3 * (case + random.random()) / count)
        with _disk(folder / "disk", size):
            child = reference.train(folder / "disk" / "saved")
            wrong, run = problem(child, child.wait()), only_run(folder / "disk" / "saved")
            name = f"{size} of {whole} bytes"
            if wrong:
                yield Outcome(name, wrong, good=False)
            elif run is not None and (run / RESULT).is_file():
                yield Outcome(name, "was large enough", good=reference.equals(run))
            elif "No space left on device" not in child.text:
                yield Outcome(name, f"said {child.text.strip()[-80:]!r}", good=False)
            elif run is None or not resumable(run):
                yield Outcome(name, "one line; had kept nothing yet", good=True)
            elif f"--resume={run}" not in child.text:
                yield Outcome(name, "did not say how to go on", good=False)
            else:
                subprocess.run(["mount", "-o", f"remount,size={10 * whole}", str(folder / "disk")], check=True)
                ended, good = goes_on(reference, run)
                yield Outcome(name, f"one line; with more room it {ended}", good)


PARTS = {
    "kills": Part("runs of all models killed with -9 at a random moment, and resumed", 100, _kills),
    "terminations": Part("the same with SIGTERM, as a scheduler ends a job", 30, _terminations),
    "full disks": Part("a disk that a run does not fit on, and more room then", 20, _full_disks),
}
