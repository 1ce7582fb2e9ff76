"""Checks of a documented command: the programs' own parsing, our settings, models and suites; nothing is trained."""

from __future__ import annotations

import configparser
import json
import re
import shlex
from argparse import Namespace
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from itertools import dropwhile, groupby
from pathlib import Path

import pytest
from torch.distributed.run import get_args_parser

from recbole_cl import cli
from recbole_cl.cli import Training
from recbole_cl.config.models import model_class
from recbole_cl.registry import name_paths
from recbole_cl.runs.build import build_config
from recbole_cl.search.files import read_ranges
from recbole_cl.search.task import prepare
from recbole_cl.suites.command import choice_of
from recbole_cl.suites.plan import plan
from recbole_cl.suites.schema import read_suite, suite_file
from tests.docs.pages import ROOT

# What a reader replaces, and what stands for it here.
PLACEHOLDERS = {"NAME": "quick"}
_FOLDERS = {"resume", "init_from", "pretrained", "complement"}  # settings that name a run folder
Check = Callable[[list[str]], None]


def check(line: str) -> None:
    """Checks a shell line, which may hold several commands.

    Raises:
        AssertionError: If a program is not known here, refuses its arguments, or names what is not there.
        UsageError: If a setting, a model or a suite is wrong.
    """
    tokens = shlex.shlex(line, posix=True, punctuation_chars=";&")
    tokens.whitespace_split = True
    for separates, words in groupby(tokens, lambda token: token in ("&&", ";")):
        if not separates:
            _check_one([*dropwhile(lambda word: re.fullmatch(r"\w+=\S*", word), words)])


def _check_one(words: list[str]) -> None:
    """Checks a command without the variables before it."""
    if words:
        found = _script if words[0].startswith("./") else _PROGRAMS.get(words[0])
        assert found, f"no test knows how to check {words}"
        found(words if found is _script else words[1:])


def _ours(arguments: list[str]) -> None:
    command = arguments[0]
    assert command in cli._COMMANDS or command.startswith("--"), arguments
    if command == "models" and arguments[-1] == "NAME":
        arguments = [*arguments[:-1], "DuoRec"]
    parsed: list[Namespace | Training] = []
    with pytest.MonkeyPatch.context() as patch:
        if command in cli._MODULES:
            patch.setattr(import_module(cli._MODULES[command]), "main", parsed.append)
        try:
            code = cli.main(arguments, train=parsed.append)
        except SystemExit as ended:  # --help and --version
            code = int(ended.code or 0)
            parsed.append(Namespace())
    assert code == 0 and len(parsed) == 1, arguments
    _contents(command, parsed[0])


def _contents(command: str, parsed: Namespace | Training) -> None:
    """Checks what the arguments name."""
    if isinstance(parsed, Training):
        _training(parsed)
    elif command == "tune":
        model, dataset, files, settings, _ = parsed.training
        prepare(model, dataset, _if_there(parsed.ranges), _placed(files), settings)
    elif command == "suite":
        _suite(parsed.suite, parsed)
    elif command == "report" and re.fullmatch(r"[\w-]+", parsed.sources[0]) and parsed.sources != ["RUN"]:
        _suite(parsed.sources[0], parsed)
    elif command in ("compare", "report"):
        for name in map(str, parsed.run_dirs if command == "compare" else parsed.sources):
            assert not name.startswith("results/") or list(ROOT.glob(f"{name.partition('.zip')[0]}*")), name
    elif command == "models" and parsed.settings:
        name_paths(parsed.settings)
        model_class(parsed.settings)


def _training(training: Training) -> None:
    model, dataset, files, settings, _ = training
    if model:
        name_paths(model)
        model_class(model)
    if any(file.startswith("results/<") for file in files):
        return
    # Run folders of a reader's are not there, and datasets and their own files need not be.
    kept = {key: value for key, value in settings.items() if key not in _FOLDERS or value in ("none", "gru")}
    if "resume" not in settings:
        build_config(model, dataset, _placed(files), kept | {"use_gpu": False})


def _placed(files: Sequence[str]) -> list[Path]:
    return [ROOT / file for file in files]


def _if_there(file: str | None) -> Path | None:
    """A file of ranges that ships with the package; one of a reader's own is not there."""
    return ROOT / file if file and (ROOT / file).is_file() and read_ranges(ROOT / file) else None


def _suite(name: str, args: Namespace) -> None:
    if name == "my-suite.yaml":
        return  # the page's own block, which a test reads
    suite, choice = read_suite(suite_file(PLACEHOLDERS.get(name, name))), choice_of(args)
    assert set(choice.datasets) <= set(suite.datasets) and set(choice.variants) <= set(suite.variants), name
    if choice.settings:
        plan(suite, choice)


def _python(arguments: list[str]) -> None:
    first, rest = arguments[0], arguments[1:]
    if first == "run_recbole_cl.py":
        _ours(["train", *rest])
    elif first == "-c":
        compile(rest[0], "-c", "exec")
    elif first == "-m":
        assert find_spec(rest[0]), rest[0]
        paths = [word for word in rest[1:] if re.fullmatch(r"[\w./-]+\.py", word)]
        assert all((ROOT / path).is_file() for path in paths), rest
    else:
        source = (ROOT / first).read_text(encoding="utf-8")
        flags = {word.partition("=")[0] for word in rest if word.startswith("--")}
        assert all(f'"{flag}"' in source for flag in flags), f"{first} does not declare all of {flags}"


def _torchrun(arguments: list[str]) -> None:
    args = get_args_parser().parse_args(arguments)
    assert args.training_script == "run_recbole_cl.py"
    _ours(["train", *args.training_script_args])


def _pip(arguments: list[str]) -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    assert arguments[0] == "install", arguments
    for wanted in arguments[1:]:
        extras = re.fullmatch(r"(?:recbole_cl|\.)(?:\[([\w,]+)\])?", wanted)
        if extras and extras[1]:
            assert set(extras[1].split(",")) <= set(setup["options.extras_require"]), wanted
        elif not extras and not wanted.startswith("-"):
            assert f"\n{wanted.replace('==', ' ==')}" in setup["options"]["install_requires"], wanted


def _script(words: list[str]) -> None:
    assert (ROOT / words[0]).is_file(), words[0]


def _activate(arguments: list[str]) -> None:
    assert arguments == [".venv/bin/activate"], arguments  # which scripts/setup makes


def _folder(arguments: list[str]) -> None:
    assert (ROOT / arguments[0]).is_dir(), arguments


def _uvicorn(arguments: list[str]) -> None:
    module, app = arguments[0].split(":")
    assert f"\n{app} = " in (ROOT / "examples" / f"{module}.py").read_text(encoding="utf-8")


def _curl(arguments: list[str]) -> None:
    assert json.loads(arguments[arguments.index("-d") + 1])


_PROGRAMS: dict[str, Check] = {
    "recbole-cl": _ours,
    "python": _python,
    "torchrun": _torchrun,
    "pip": _pip,
    ".": _activate,
    "cd": _folder,
    "uvicorn": _uvicorn,
    "curl": _curl,
}
