"""Checkpoints that are damaged, and input that means harm."""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import zipfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
import yaml

from benchmarks._children import Outcome, Part, flags, problem, start
from recbole_cl import load, run
from recbole_cl.errors import UsageError
from recbole_cl.runs.folder import BEST, CONFIG, LAST, RANKS, RESULT
from recbole_cl.testing.toy import TINY, write_cycle
from recbole_cl.trainer.checkpoint import load_checkpoint

# --- damaged checkpoints


def flipped_bits(content: bytes, random: Random) -> bytes:
    """One to three bits are others."""
    changed = bytearray(content)
    for _ in range(random.randint(1, 3)):
        changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


def cut_short(content: bytes, random: Random) -> bytes:
    """The end is missing."""
    return content[: random.randrange(len(content))]


def blank_block(content: bytes, random: Random) -> bytes:
    """A block of the disk was never written."""
    begin = random.randrange(0, len(content), 4096)
    return content[:begin] + bytes(min(4096, len(content) - begin)) + content[begin + 4096 :]


def moved_block(content: bytes, random: Random) -> bytes:
    """A block lies where another one should."""
    a, b = (random.randrange(0, len(content), 512) for _ in range(2))
    return content[:a] + content[b : b + 512] + content[a + 512 :]


def without_an_entry(content: bytes, random: Random) -> bytes:
    """Something is missing, or of another type, in a file that is whole."""
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


# --- input that means harm


class Harm:
    """What means to leave a mark when it is executed."""

    def __init__(self, folder: Path) -> None:
        self.mark = folder / "executed"
        self.folder = folder
        (folder / "evil.py").write_text(f"open({str(self.mark)!r}, 'w').close()\nclass Model: ...\ndef f(*a): ...\n")

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.mark}",)

    def codes(self) -> list[str]:
        """Texts that some programs execute."""
        mark = str(self.mark)
        return [
            f"__import__('os').system('touch {mark}')",
            f"!!python/object/apply:os.system ['touch {mark}']",
            f"!!python/object/new:os.system ['touch {mark}']",
            f"$(touch {mark})",
            f"`touch {mark}`",
            f"; touch {mark} ;",
            f"[x for x in [open('{mark}','w')]]",
            f"{{{{ open('{mark}','w') }}}}",
            f"lambda: open('{mark}','w')",
            "evil.Model",
            "evil:f",
            "../../../../etc/passwd",
            "\x1b]0;owned\x07\x1b[31m",
            "\udcff\udcfe",
            "=cmd|' /C calc'!A0",
            "{[" * 2000,
            "9" * 5000,
        ]

    def pickles(self) -> list[bytes]:
        """Files that leave the mark when they are unpickled."""
        whole = io.BytesIO()
        torch.save({"state_dict": {}, "other_parameter": self}, whole)
        legacy = io.BytesIO()
        torch.save({"state_dict": self}, legacy, _use_new_zipfile_serialization=False)
        array = io.BytesIO()
        np.save(array, np.array([self], dtype=object), allow_pickle=True)
        bomb = io.BytesIO()
        with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr("archive/data.pkl", bytes(200_000_000))
        return [pickle.dumps(self), pickle.dumps([self], 0), *(it.getvalue() for it in (whole, legacy, array, bomb))]


_FLAGS = ("topk", "metrics", "valid_metric", "eval_args", "learner", "operators", "encoder", "state", "resume")
Attack = tuple[str, Callable[[Path, Harm], Sequence[str] | Callable[[], object]]]


def _attacks(harm: Harm, whole: Path, random: Random) -> list[Attack]:
    """What is tried: a name, and what prepares a copy of a finished run and gives the command."""
    found: list[Attack] = []
    settings = yaml.safe_load((whole / CONFIG).read_text())
    train = ["train", *flags({key: settings[key] for key in ("data_path", *TINY)}), "--epochs=0"]
    for code in harm.codes():
        text = repr(code)[:30]
        for key in (
            "topk",
            "metrics",
            "valid_metric",
            "eval_args",
            "learner",
            "operators",
            "encoder",
            "state",
            "resume",
        ):
            found.append((f"--{key}={text}", _flag(train, key, code)))
        for key in ("model", "dataset", "metrics", "operators", "complement", "encoder"):
            found.append((f"stored {key}: {text}", _stored(key, code)))
            found.append((f"settings file {key}: {text}", _settings_file(train, key, code)))
        found.append((f"beside data: {text}", _beside_data(train, code)))
        for key in ("model", "dataset", "test", "seed"):
            found.append((f"result {key}: {text}", _result(key, code)))
        found.append((f"raw yaml: {text}", _raw_yaml(code)))
    for number, content in enumerate(harm.pickles()):
        for name in (BEST, LAST, *RANKS.values(), RESULT, CONFIG, "complement/best.pth"):
            for action in ("load", "resume", "compare"):
                found.append((f"pickle {number} as {name}, {action}", _file(name, content, action)))
        found.append((f"archive {number}", _archive(content)))
    for member in ("../evil/result.json", "/etc/result.json", "a/../../result.json", "run\\result.json", "run/evil.py"):
        found.append((f"archive with {member}", _archive_of(member)))
    random.shuffle(found)
    return found


def _flag(train: list[str], key: str, code: str) -> Any:
    # What a caller names by a path may be imported, and runs: that is no harm of somebody else's.
    return lambda copy, harm: [*train, "-d", "cycle", f"--{key}={code.replace('evil', 'absent')}"]


def _on(copy: Path, action: str) -> Sequence[str] | Callable[[], object]:
    if action == "load":
        return lambda: load(copy)
    if action == "compare":
        return ["compare", str(copy), "--format", "csv"]
    return ["train", f"--resume={copy}", "--epochs=3"]


def _stored(key: str, code: str) -> Any:
    def prepare(copy: Path, harm: Harm) -> Any:
        settings = yaml.safe_load((copy / CONFIG).read_text()) | {key: code}
        (copy / CONFIG).write_text(yaml.safe_dump(settings))
        return _on(copy, random_of(key + code).choice(["load", "resume", "compare"]))

    return prepare


def _settings_file(train: list[str], key: str, code: str) -> Any:
    def prepare(copy: Path, harm: Harm) -> Any:
        file = copy / "mine.yaml"  # the caller's own, as above
        text = code.encode("utf-8", "replace").decode().replace("evil", "absent")
        file.write_text(f"{key}: {text}\n" if "!!" in text else yaml.safe_dump({key: text}))
        return [*train, f"--config_files={file}"]

    return prepare


def _beside_data(train: list[str], code: str) -> Any:
    def prepare(copy: Path, harm: Harm) -> Any:
        data = write_cycle(copy / "data")["data_path"]
        file = Path(data, "cycle", "cycle.yaml")
        file.write_text(f"encoder: {code}\n".encode("utf-8", "replace").decode())
        kept = [flag for flag in train if not flag.startswith("--data_path")]
        return [*kept, "-m", "DuoRec", "-d", "cycle", f"--data_path={data}"]

    return prepare


def _result(key: str, code: str) -> Any:
    def prepare(copy: Path, harm: Harm) -> Any:
        result = json.loads((copy / RESULT).read_text())
        (copy / RESULT).write_text(json.dumps(result | {key: code}))
        return ["compare", str(copy), "--format", random_of(code).choice(["table", "csv", "markdown"])]

    return prepare


def _raw_yaml(code: str) -> Any:
    def prepare(copy: Path, harm: Harm) -> Any:
        (copy / CONFIG).write_bytes(f"model: {code}\n".encode("utf-8", "surrogateescape"))
        return _on(copy, random_of(code).choice(["load", "resume", "compare"]))

    return prepare


def _file(name: str, content: bytes, action: str) -> Any:
    def prepare(copy: Path, harm: Harm) -> Any:
        (copy / name).parent.mkdir(exist_ok=True)
        (copy / name).write_bytes(content)
        return _on(copy, action)

    return prepare


def _archive(content: bytes) -> Any:
    def prepare(copy: Path, harm: Harm) -> Any:
        (copy / "runs.zip").write_bytes(content)
        return ["compare", str(copy / "runs.zip")]

    return prepare


def _archive_of(member: str) -> Any:
    def prepare(copy: Path, harm: Harm) -> Any:
        with zipfile.ZipFile(copy / "runs.zip", "w") as file:
            file.writestr(member, b"{}")
        return ["compare", str(copy / "runs.zip")]

    return prepare


def random_of(text: str) -> Random:
    """Choices that depend on a text alone."""
    return Random(text.encode("utf-8", "replace"))


def _malicious_input(count: int, random: Random, folder: Path) -> Iterator[Outcome]:
    settings = TINY | write_cycle(folder / "data")
    whole = run("DuoRec", "cycle", epochs=1, **(settings | {"state": "error"})).run_dir
    harm = Harm(folder)
    attacks = _attacks(harm, whole, random)
    for case in range(count):
        label, prepare = attacks[case % len(attacks)]
        copy = shutil.copytree(whole, folder / f"copy-{case}")
        child = start(prepare(copy, harm), folder)
        code = child.wait()
        wrong = problem(child, code)
        if harm.mark.exists():
            harm.mark.unlink()
            wrong = "executed"
        elif any(mark in child.text for mark in ("\x1b]", "\x1b[31m")):
            wrong = "told the terminal what to do"
        ended = wrong or ("refused in one line" if code == 2 else "taken as text, or not looked at")
        yield Outcome(f"{label}" + (f"\n{child.text[-600:]}" if wrong else ""), ended, good=wrong is None)
        shutil.rmtree(copy)


PARTS = {
    "checkpoints": Part(
        "checkpoints with flipped bits, cut short, overwritten, or with other entries", 200, _damaged_checkpoints
    ),
    "input": Part("flags, settings, run folders and archives that mean harm", 300, _malicious_input),
}
