"""The command line: ``run_recbole_cl.py`` and the console script ``recbole-cl``."""

from __future__ import annotations

import argparse
import platform
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module, metadata
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from recbole_cl.allocator import restart_with_tuned_malloc
from recbole_cl.config.models import DEFAULT_DATASET, DEFAULT_MODEL
from recbole_cl.distributed.processes import is_first, started
from recbole_cl.errors import UsageError
from recbole_cl.flags import parse_value, refuse_second, split_flags
from recbole_cl.guard import guarded
from recbole_cl.text import printable
from recbole_cl.train_help import TRAIN

PROGRAM = "recbole-cl"

_COMMANDS = {
    "train": "train a model and test it",
    "tune": "search for the settings with the best validation score",
    "suite": "train all runs of a table or figure, or resume them",
    "compare": "compare finished runs, with significance tests",
    "analyze": "draw a figure of runs: embeddings, alignment and uniformity, similarities, thresholds, bars",
    "report": "make a page of runs or of a suite: tables and pictures, for a browser, a paper or a spreadsheet",
    "runs": "list all runs, and how far each has come",
    "recommend": "give the best items for users of a run, or for any histories",
    "similar": "give the items nearest to others, by a run's vectors",
    "embeddings": "write a run's vectors of items or users",
    "evaluate": "evaluate a run again: other metrics, cut-offs, groups of users",
    "export": "write a run's model for use elsewhere: a package or ONNX",
    "convert": "make a dataset from your files: csv, JSON lines, Parquet, .inter, sequence text",
    "convert-checkpoint": "turn a SASRec of RecBole's into a run folder, or back",
    "models": "list the models, one line on each; or the settings of one",
    "schema": "print the JSON schema of YAML files, with which an editor completes and checks them",
}

_MODULES = {
    "compare": "recbole_cl.report.compare",
    "convert": "recbole_cl.data.files.convert",
    "analyze": "recbole_cl.analysis.command",
    "report": "recbole_cl.report.command",
    "runs": "recbole_cl.report.listing",
    **{name: f"recbole_cl.serving.{name}" for name in ("recommend", "similar", "embeddings", "evaluate", "export")},
    "convert-checkpoint": "recbole_cl.interop.convert_checkpoint",
    "models": "recbole_cl.config.listing",
    "schema": "recbole_cl.config.schema_command",
    "tune": "recbole_cl.search.command",
    "suite": "recbole_cl.suites.command",
}

_WITH_SETTINGS = ("train", "tune")  # accept --KEY=VALUE for any setting
_MOST_SEEDS = 1000
_TRAIN_FLAGS = ("-m", "--model", "-d", "--dataset", "--config_files", "--seeds")


class Training(NamedTuple):
    """The arguments of the train command.

    Attributes:
        model: Name or dotted path; None leaves it to the files.
        dataset: Name; None leaves it to the files.
        config_files: YAML files, in order.
        settings: Settings by key.
        seeds: One run for each; None does one run, with the configured seed.
    """

    model: str | None
    dataset: str | None
    config_files: list[str]
    settings: dict[str, Any]
    seeds: list[int] | None


def run_training(training: Training) -> None:
    """Does the runs that the arguments ask for; reports the start immediately, and prints the results."""
    model, dataset, files, settings, seeds = training
    _begin(model, dataset, files, settings)
    from recbole_cl.runs import runner  # takes seconds to import
    from recbole_cl.runs.summary import next_steps, summary

    if seeds is None:
        results = [runner.run(model, dataset, config_files=files, **settings)]
    else:
        results = runner.run_seeds(model, dataset, seeds, config_files=files, **settings)
    if is_first():
        print(summary(results))
        print(next_steps(results), file=sys.stderr)


class Parser(argparse.ArgumentParser):
    """A parser that accepts no abbreviations, and leaves error messages to ``guarded``."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **options)

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see {self.prog} --help")


class _Once(argparse.Action):
    """Stores a value, and refuses a second, different one for the same flag."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, *_: Any) -> None:
        refuse_second(f"--{self.dest}", getattr(namespace, self.dest), values)
        setattr(namespace, self.dest, values)


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "(not installed)"  # when run from its source tree


class _Version(argparse.Action):
    """Prints versions, which take time to look up, and exits."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        versions = [f"{name} {_version(name)}" for name in ("recbole_cl", "recbole", "torch")]
        print(f"{', '.join(versions)}, Python {platform.python_version()}")
        parser.exit()


def main(argv: Sequence[str] | None = None, train: Callable[[Training], None] = run_training) -> int:
    """Runs ``recbole-cl``.

    Args:
        argv: Arguments; by default those of the process.
        train: Called with the arguments of the train command.

    Returns:
        The exit code, as for ``guarded``.
    """
    return guarded(PROGRAM, partial(_dispatch, train=train), sys.argv[1:] if argv is None else argv)


def train_main(
    argv: Sequence[str] | None = None,
    prog: str = "run_recbole_cl.py",
    train: Callable[[Training], None] = run_training,
) -> int:
    """Runs ``recbole-cl train`` under another name.

    Args:
        argv: Arguments; by default those of the process.
        prog: The name, for messages.
        train: Called with the arguments.

    Returns:
        The exit code, as for ``main``.
    """
    return guarded(prog, partial(_run_train, prog=prog, train=train), sys.argv[1:] if argv is None else argv)


def program() -> int:
    """The installed command ``recbole-cl``: ``main`` in its own process."""
    restart_with_tuned_malloc()
    return main()


def _dispatch(argv: Sequence[str], train: Callable[[Training], None]) -> int:
    command = "".join(argv[:1])
    flags, texts = split_flags(argv[1:], _flags_of(command)) if command in _WITH_SETTINGS else (argv[1:], {})
    parser = Parser(
        prog=PROGRAM,
        description="Contrastive learning for sequential recommendation, on RecBole.",
        epilog=f"`{PROGRAM} COMMAND --help` lists the flags of a command.",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the versions of this package and of RecBole")
    commands = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND", required=True)
    for name, text in _COMMANDS.items():
        one = commands.add_parser(name, help=text, **(_options(name) if name == command else {}))
        if name == command:  # the modules of the other commands take seconds to import
            _declare(one, name)
    args, rest = parser.parse_known_args([*argv[:1], *flags])
    if rest:
        args.parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if command in _WITH_SETTINGS:
        args.training = _training(args, texts, one_seed=command == "tune")
    if command == "train":
        train(args.training)
        return 0
    if (size := started().size) > 1:
        raise UsageError(f"{command} runs in one process, but torchrun has started {size}: leave torchrun out")
    return int(args.run(args) or 0)


def _options(command: str) -> dict[str, Any]:
    """The options for the parser of a command."""
    text = _COMMANDS[command]
    plain = {"description": f"{text[0].upper()}{text[1:]}."}
    return TRAIN if command == "train" else getattr(import_module(_MODULES[command]), "PARSER", plain)


def _declare(parser: argparse.ArgumentParser, command: str) -> None:
    """Adds the arguments of a command, and the function that runs it."""
    parser.set_defaults(parser=parser)
    if command in _WITH_SETTINGS:
        _add_train_arguments(parser)
    if command in _MODULES:
        module = import_module(_MODULES[command])
        module.add_arguments(parser)
        parser.set_defaults(run=module.main)


def _run_train(argv: Sequence[str], prog: str, train: Callable[[Training], None]) -> int:
    flags, texts = split_flags(argv, _flags_of("train"))
    parser = Parser(prog=prog, **TRAIN)
    _add_train_arguments(parser)
    train(_training(parser.parse_args(flags), texts))
    return 0


def _training(args: argparse.Namespace, texts: Mapping[str, str], one_seed: bool = False) -> Training:
    settings = {key: parse_value(text) for key, text in texts.items()}
    files, seeds = (args.config_files or "").split(), None
    from recbole_cl.config.known import refuse_unknown_flags

    refuse_unknown_flags(args.model, files, settings)
    if args.seeds is not None:
        seeds = _seeds(args, files, settings)
        if "seed" in settings and not one_seed:
            if "," in args.seeds:
                raise UsageError(
                    f"--seed={settings['seed']} can't be combined with --seeds={args.seeds}: leave one out"
                )
            settings.pop("seed")
    return Training(args.model, args.dataset, files, settings, seeds)


def _begin(model: str | None, dataset: str | None, files: Sequence[str], settings: Mapping[str, Any]) -> None:
    """Refuses bad settings and missing data, or prints what begins, before any slow import."""
    from recbole_cl.config.early import refuse_bad_values
    from recbole_cl.data.files.names import ensure_dataset_available

    if "torch" in sys.modules:
        return  # no slow import follows; ``Config`` checks everything
    given = refuse_bad_values(files, settings)
    name = dataset or given.get("dataset", DEFAULT_DATASET)
    if name != DEFAULT_DATASET and not given["resume"]:
        ensure_dataset_available(str(name), Path(given["data_path"], str(name)))
    what = given["resume"] or f"{model or given.get('model', DEFAULT_MODEL)} on {name}"
    if is_first():
        print(printable(f"{what}: loading PyTorch and RecBole ..."), file=sys.stderr)


def _add_train_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-m",
        "--model",
        action=_Once,
        help=f"model, see `{PROGRAM} models`, or the path of your own (default: {DEFAULT_MODEL}, or as in FILES)",
    )
    parser.add_argument("-d", "--dataset", action=_Once, help=f"dataset (default: {DEFAULT_DATASET}, or as in FILES)")
    parser.add_argument("--config_files", action=_Once, metavar="FILES", help="YAML files, in quotes, between spaces")
    parser.add_argument(
        "--seeds",
        action=_Once,
        help="a number: that many runs, from the configured seed upwards; a list such as 1,2,3: one run each",
    )


def _flags_of(command: str) -> list[str]:
    """The flags of a command that are not settings."""
    return [*_TRAIN_FLAGS, *(import_module(_MODULES[command]).FLAGS if command in _MODULES else ())]


def _seeds(args: argparse.Namespace, files: Sequence[str], settings: Mapping[str, Any]) -> list[int]:
    """Reads ``--seeds``: a list as it is; a number N as the configured seed and the N - 1 after it."""
    text = args.seeds
    if len(text) > _MOST_SEEDS * 11 or (text.isdecimal() and int(text) > _MOST_SEEDS):
        raise UsageError(f"--seeds={text[:20]}: expected at most {_MOST_SEEDS} runs")
    if not re.fullmatch(r"0*[1-9]\d*|(\d+,)+\d*", text):
        raise UsageError(f"--seeds={text}: expected a number of runs >= 1, or a list of seeds such as 1,2,3")
    if "," in text:
        return [int(seed) for seed in text.split(",") if seed]
    _begin(args.model, args.dataset, files, settings)
    from recbole_cl.runs.build import build_config

    first = build_config(args.model, args.dataset, files, settings)["seed"]
    return list(range(first, first + int(text)))


if __name__ == "__main__":
    sys.exit(program())
