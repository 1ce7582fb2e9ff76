"""Malicious input: flags, settings, run folders and archives."""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
import yaml

from benchmarks._children import Outcome, Part, flags, problem, start
from recbole_cl import load, run
from recbole_cl.runs.folder import BEST, CONFIG, LAST, RANKS, RESULT
from recbole_cl.testing.toy import TINY, write_cycle


class Harm:
    """Code that leaves a mark when it is executed."""

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
    """The attacks: a name, and a function that prepares a copy of a finished run and returns the command."""
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
    # A path that the caller gives may be imported and executed: this is not an attack by somebody else.
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
    """Random choices that depend only on a text."""
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
    "input": Part("flags, settings, run folders and archives that mean harm", 300, _malicious_input),
}
