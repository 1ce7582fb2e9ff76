"""``python -m recbole_cl.testing my_package.my_module.MyMethod``: runs the contract tests on one class."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from recbole_cl.cli import Parser
from recbole_cl.errors import UsageError
from recbole_cl.guard import guarded

PROGRAM = "python -m recbole_cl.testing"
CONTRACT = Path(__file__).with_name("contract.py")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the contract tests.

    Args:
        argv: A model's name or dotted path, and options of pytest; by default those of the process.

    Returns:
        The exit code: pytest's, or 2 after a mistake in the input.
    """
    return guarded(PROGRAM, _test, sys.argv[1:] if argv is None else argv)


def _test(argv: Sequence[str]) -> int:
    parser = Parser(prog=PROGRAM, description="Run the contract tests on a model.", epilog="Options go to pytest.")
    parser.add_argument("model", metavar="MODEL", help="path of a class, such as my_package.my_module.MyMethod")
    args, options = parser.parse_known_args(argv)
    try:
        import pytest
    except ImportError as error:
        raise UsageError("the contract tests need pytest: pip install pytest") from error
    import torch

    torch.set_num_threads(1)  # the tensors are tiny, and runs are compared bit by bit
    # No settings and no cache of the project in whose folder this is called.
    alone = ["-c", os.devnull, f"--rootdir={CONTRACT.parent}", "-p", "no:cacheprovider"]
    return int(pytest.main([*alone, str(CONTRACT), *options], plugins=[_Given(_class(args.model))]))


def _class(model: str) -> Any:
    from recbole_cl.config.models import model_class
    from recbole_cl.model.base import EncoderRecommender
    from recbole_cl.registry import name_paths

    name_paths(model)
    cls = model_class(model)
    if not issubclass(cls, EncoderRecommender):
        raise UsageError(f"model {model}: the contract is that of classes that extend EncoderRecommender")
    return cls


class _Given:
    """A plugin for pytest that gives the tests their class."""

    def __init__(self, cls: Any) -> None:
        self._cls = cls

    def pytest_generate_tests(self, metafunc: Any) -> None:
        metafunc.parametrize("model_class", [self._cls], ids=[self._cls.__name__])


if __name__ == "__main__":
    sys.exit(main())
